"""EfficientSAM's image encoder: a plain vision transformer whose blocks all attend over the whole grid.

EfficientSAM (arXiv 2312.00863); layout and keys follow efficient_sam/efficient_sam_encoder.py of yformer/EfficientSAM,
so its checkpoints load strictly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from samfleet_models.modeling.image_encoders.vit import Attention, FeedForward, PatchEmbed, VitBlock, sam_neck

MLP_RATIO = 4
PRETRAINED_GRID = 14  # tokens per side of the 224 px images of the backbone's pre-training


@dataclass(frozen=True, slots=True)
class EfficientSamSizes:
    embed_dim: int
    depth: int
    num_heads: int


class EfficientSamEncoder(nn.Module):
    """Maps [B, 3, S, S] to [B, 256, S/16, S/16]."""

    def __init__(self, sizes: EfficientSamSizes) -> None:
        super().__init__()
        dim, hidden = sizes.embed_dim, MLP_RATIO * sizes.embed_dim
        self.patch_embed = PatchEmbed(dim)
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + PRETRAINED_GRID**2, dim))
        self.blocks = nn.ModuleList(
            VitBlock(Attention(dim, sizes.num_heads, None), FeedForward(dim, hidden, ("fc1", "fc2")), 0)
            for _ in range(sizes.depth)
        )
        self.neck = sam_neck(dim)

    def positions(self, grid: int) -> Tensor:
        """Return the pre-trained positions [1, grid, grid, C], without the first, which is the class token's."""
        square = self.pos_embed[:, 1:].view(1, PRETRAINED_GRID, PRETRAINED_GRID, -1).permute(0, 3, 1, 2)
        resized = functional.interpolate(square, size=(grid, grid), mode="bicubic", align_corners=False)
        return resized.permute(0, 2, 3, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.patch_embed(pixels)
        x = x + self.positions(x.shape[1])
        for block in self.blocks:
            x = block(x)
        embedding: Tensor = self.neck(x.permute(0, 3, 1, 2))
        return embedding


def build_efficient_sam(architecture: Mapping[str, object], input_size: int) -> nn.Module:
    """Build the encoder of a record's `architecture`. Any square input fits; `input_size` is unused."""
    del input_size
    return EfficientSamEncoder(EfficientSamSizes(**cast("dict[str, Any]", dict(architecture))))
