"""Image encoders by family: the list of values of `VariantRecord.family`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from samfleet_models.checkpoints.hf_keys import official_key
from samfleet_models.checkpoints.sam2_keys import own_key_of_sam2
from samfleet_models.checkpoints.sam2_memory_keys import edge_tam_memory, efficient_tam_memory, sam2_memory
from samfleet_models.checkpoints.sam3_keys import image_path_of_sam3, own_key_of_efficient_sam3, own_key_of_sam3
from samfleet_models.decoder import heads
from samfleet_models.decoder.heads import Heads, hq_sam
from samfleet_models.modeling.efficient_sam_prompt_encoder import efficient_sam_key
from samfleet_models.modeling.image_encoders.edge_tam import build_edge_tam, fuse_edge_tam
from samfleet_models.modeling.image_encoders.efficient_sam import build_efficient_sam
from samfleet_models.modeling.image_encoders.efficient_sam3 import (
    build_efficientvit_student,
    build_repvit_student,
    build_tiny_vit_student,
    fuse_efficientvit_student,
    fuse_repvit_student,
    fuse_tiny_vit_student,
)
from samfleet_models.modeling.image_encoders.efficient_tam import build_efficient_tam, fuse_efficient_tam
from samfleet_models.modeling.image_encoders.efficientvit import build_efficientvit
from samfleet_models.modeling.image_encoders.efficientvit_fused import fuse_efficientvit
from samfleet_models.modeling.image_encoders.perception_vit import PATCH
from samfleet_models.modeling.image_encoders.repvit import build_repvit
from samfleet_models.modeling.image_encoders.repvit_fused import fuse_repvit
from samfleet_models.modeling.image_encoders.resnet import build_resnet, decoder_file_encoder, nano_sam_key
from samfleet_models.modeling.image_encoders.resnet_fused import fuse_resnet
from samfleet_models.modeling.image_encoders.sam2 import build_sam2, fuse_sam2
from samfleet_models.modeling.image_encoders.sam3 import build_sam3, fuse_sam3
from samfleet_models.modeling.image_encoders.tiny_vit import build_tiny_vit, tiny_vit_sizes
from samfleet_models.modeling.image_encoders.tiny_vit_fused import fuse_tiny_vit
from samfleet_models.modeling.image_encoders.vit import build_vit, vit_sizes
from samfleet_models.modeling.image_encoders.vit_fused import fuse_efficient_sam, fuse_vit

Build = Callable[[Mapping[str, object], int], nn.Module]
Fuse = Callable[[Any, int], nn.Module]


def heads_of_vit(architecture: Mapping[str, object]) -> Heads:
    return hq_sam(vit_sizes(architecture).embed_dim)


def heads_of_tiny_vit(architecture: Mapping[str, object]) -> Heads:
    sizes = tiny_vit_sizes(architecture)
    return hq_sam(sizes.embed_dims[(sizes.intermediate or 0) + 1])


@dataclass(frozen=True, slots=True)
class Family:
    """The parts of a family's networks.

    `build` makes the published encoder, which checkpoints load into, from a record's architecture and input size.
    `fuse` turns such a loaded encoder into the one that runs: the same function in fewer steps for this input size,
    from pixels [B, 3, S, S] to embeddings [B, 256, h, w], or to a tuple of them and the other features that the
    family's decoder needs. `own_key` maps a name of a published checkpoint to the name in `SamNetwork`. `unread` makes,
    from the architecture, a module on the meta device with the published keys that no image path reads. `image_path`
    returns a published table without tensors that no image path reads, and in the layout that `own_key` maps, if there
    are several. `heads_of` makes the heads from an architecture if they depend on it. `stride` is the number of pixels
    of the frame per embedding pixel.
    """

    build: Build
    fuse: Fuse
    heads: Heads = heads.SAM
    heads_of: Callable[[Mapping[str, object]], Heads] | None = None
    own_key: Callable[[str], str] = str
    unread: Callable[[Mapping[str, object]], nn.Module] | None = None
    image_path: Callable[[Mapping[str, Tensor]], dict[str, Tensor]] = dict
    stride: int = 16


def sam3_family(build: Build, fuse: Fuse, own_key: Callable[[str], str]) -> Family:
    """Return a family with SAM 3's neck, heads and files."""
    return Family(build, fuse, heads.SAM2, own_key=own_key, image_path=image_path_of_sam3, stride=PATCH)


FAMILIES: dict[str, Family] = {
    "repvit": Family(build_repvit, fuse_repvit),
    "tiny_vit": Family(build_tiny_vit, fuse_tiny_vit),
    "sam_vit": Family(build_vit, fuse_vit),
    "slim_sam": Family(build_vit, fuse_vit, own_key=official_key),
    "sam2": Family(build_sam2, fuse_sam2, heads.SAM2, own_key=own_key_of_sam2, unread=sam2_memory),
    "edge_tam": Family(build_edge_tam, fuse_edge_tam, heads.SAM2, own_key=own_key_of_sam2, unread=edge_tam_memory),
    "efficient_tam": Family(
        build_efficient_tam, fuse_efficient_tam, heads.SAM2, own_key=own_key_of_sam2, unread=efficient_tam_memory
    ),
    "sam3": sam3_family(build_sam3, fuse_sam3, own_key_of_sam3),
    "efficient_sam3_repvit": sam3_family(build_repvit_student, fuse_repvit_student, own_key_of_efficient_sam3),
    "efficient_sam3_tiny_vit": sam3_family(build_tiny_vit_student, fuse_tiny_vit_student, own_key_of_efficient_sam3),
    "efficient_sam3_efficientvit": sam3_family(
        build_efficientvit_student, fuse_efficientvit_student, own_key_of_efficient_sam3
    ),
    "efficientvit": Family(build_efficientvit, fuse_efficientvit, heads.EFFICIENT_VIT_SAM),
    "resnet": Family(build_resnet, fuse_resnet, own_key=nano_sam_key, unread=decoder_file_encoder),
    "sam_hq_vit": Family(build_vit, fuse_vit, heads_of=heads_of_vit),
    "sam_hq_tiny_vit": Family(build_tiny_vit, fuse_tiny_vit, heads_of=heads_of_tiny_vit),
    "efficient_sam": Family(build_efficient_sam, fuse_efficient_sam, heads.EFFICIENT_SAM, own_key=efficient_sam_key),
}
