"""Image encoders by family: the explicit list that `VariantRecord.family` names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from samfleet_models import heads
from samfleet_models.families.hf_keys import official_key
from samfleet_models.families.tiny_vit import build_tiny_vit
from samfleet_models.families.tiny_vit_fused import fuse_tiny_vit
from samfleet_models.families.vit import build_vit
from samfleet_models.families.vit_fused import fuse_vit
from samfleet_models.heads import Heads


@dataclass(frozen=True, slots=True)
class Family:
    """What a family's networks are made of.

    `build` makes the published encoder, which checkpoints load into, of a record's architecture and input size. `fuse`
    makes of such an encoder, loaded, the one that runs: the same function in fewer steps for this input size, from
    pixels [B, 3, S, S] to embeddings [B, 256, h, w], or to a tuple of them and what else the family's decoder wants.
    `own_key` is the name in `SamNetwork` of what a published checkpoint calls by another. `unread` makes, of the
    architecture, a module on the meta device with the published keys that no image path reads. `heads_of` makes the
    heads of an architecture where they depend on it.
    """

    build: Callable[[Mapping[str, object], int], nn.Module]
    fuse: Callable[[Any, int], nn.Module]
    heads: Heads = heads.SAM
    heads_of: Callable[[Mapping[str, object]], Heads] | None = None
    own_key: Callable[[str], str] = str
    unread: Callable[[Mapping[str, object]], nn.Module] | None = None


FAMILIES: dict[str, Family] = {
    "tiny_vit": Family(build_tiny_vit, fuse_tiny_vit),
    "sam_vit": Family(build_vit, fuse_vit),
    "slim_sam": Family(build_vit, fuse_vit, own_key=official_key),
}
