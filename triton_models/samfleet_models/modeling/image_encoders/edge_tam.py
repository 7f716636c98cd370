"""EdgeTAM's image encoder: RepViT under SAM 2's feature pyramid (arXiv 2501.07256, facebookresearch/EdgeTAM)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from torch import Tensor, nn

from samfleet_models.modeling.image_encoders.fpn import FusedPyramidEncoder, PyramidEncoder
from samfleet_models.modeling.image_encoders.repvit_trunk import FusedRepVitTrunk, RepVitTrunk


class Trunk(nn.Module):
    """Wraps another library's network in `body`, as the published trunk does."""

    def __init__(self, body: RepVitTrunk) -> None:
        super().__init__()
        self.body = body

    def forward(self, pixels: Tensor) -> Sequence[Tensor]:
        features: Sequence[Tensor] = self.body(pixels)
        return features


def build_edge_tam(architecture: Mapping[str, object], input_size: int) -> PyramidEncoder:
    """Build the encoder of a record's `architecture`. Any input of whole grids fits; `input_size` is unused."""
    del input_size
    sizes = cast("dict[str, Any]", dict(architecture))
    return PyramidEncoder(Trunk(RepVitTrunk(**sizes)), sizes["channels"])


def fuse_edge_tam(encoder: PyramidEncoder, input_size: int) -> nn.Module:
    del input_size
    return FusedPyramidEncoder(encoder, FusedRepVitTrunk(cast("Trunk", encoder.trunk).body))
