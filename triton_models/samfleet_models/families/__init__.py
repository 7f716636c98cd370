"""Image encoders by family: the explicit list that `VariantRecord.family` names."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import nn

from samfleet_models.families.tiny_vit import build_tiny_vit

Builder = Callable[[Mapping[str, object], int], nn.Module]

FAMILIES: dict[str, Builder] = {
    "tiny_vit": build_tiny_vit,
}
