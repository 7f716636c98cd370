"""SAM 2's image encoder: Hiera and the feature pyramid (arXiv 2408.00714, facebookresearch/sam2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from torch import Tensor, nn

from samfleet_models.modeling.image_encoders.fpn import FusedPyramidEncoder, PyramidEncoder
from samfleet_models.modeling.image_encoders.hiera import STRIDE, Hiera, HieraSizes, run_stages
from samfleet_models.modeling.image_encoders.window_blocks import WindowBlock
from samfleet_models.modeling.image_encoders.window_blocks_fused import FusedPatches, FusedWindowBlock


class FusedHiera(nn.Module):
    """`trunk` fused from its current parameters, for inputs of `input_size` pixels per side."""

    def __init__(self, trunk: Hiera, input_size: int) -> None:
        super().__init__()
        self.ends = trunk.sizes.ends
        self.patches = FusedPatches(trunk.patch_embed, trunk.positions(input_size // STRIDE))
        self.blocks = nn.ModuleList(FusedWindowBlock(cast("WindowBlock", block)) for block in trunk.blocks)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        return run_stages(self.blocks, self.ends, self.patches(pixels))


def build_sam2(architecture: Mapping[str, object], input_size: int) -> PyramidEncoder:
    """Build the encoder of a record's `architecture`. Any input of whole grids fits; `input_size` is unused."""
    del input_size
    sizes = HieraSizes(**cast("dict[str, Any]", dict(architecture)))
    return PyramidEncoder(Hiera(sizes), sizes.channels)


def fuse_sam2(encoder: PyramidEncoder, input_size: int) -> nn.Module:
    return FusedPyramidEncoder(encoder, FusedHiera(cast("Hiera", encoder.trunk), input_size))
