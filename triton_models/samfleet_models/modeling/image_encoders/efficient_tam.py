"""EfficientTAM's image encoder: a plain ViT with windows, and SAM's neck; the embedding is its only feature.

EfficientTAM (arXiv 2411.18933); layout and keys follow efficient_track_anything/modeling/backbones of
yformer/EfficientTAM, so its checkpoints load strictly.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from samfleet_models.modeling.common import LayerNorm2d
from samfleet_models.modeling.fusion import fuse_neck
from samfleet_models.modeling.image_encoders.window_blocks import PatchEmbed, WindowBlock
from samfleet_models.modeling.image_encoders.window_blocks_fused import FusedPatches, FusedWindowBlock
from samfleet_models.modeling.transformer import DIM

PATCH = 16
PRETRAINED_GRID = 14  # side of the learned position embeddings, for 224 pixels


@dataclass(frozen=True, slots=True)
class PlainVitSizes:
    """Sizes of a plain ViT.

    Blocks attend in windows of `window` tokens per side, `global_blocks` over the whole grid.
    """

    dim: int
    heads: int
    depth: int
    window: int
    global_blocks: tuple[int, ...]


class PlainVit(nn.Module):
    """Maps [B, 3, S, S] to [B, dim, S/16, S/16].

    The first position embedding belongs to a class token that is not used here.
    """

    def __init__(self, sizes: PlainVitSizes) -> None:
        super().__init__()
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + PRETRAINED_GRID**2, sizes.dim))
        self.patch_embed = PatchEmbed(sizes.dim, PATCH, PATCH, 0)
        windows = (0 if index in sizes.global_blocks else sizes.window for index in range(sizes.depth))
        self.blocks = nn.ModuleList(WindowBlock(sizes.dim, sizes.dim, sizes.heads, window) for window in windows)

    def forward(self, pixels: Tensor) -> Tensor:
        x: Tensor = self.patch_embed(pixels)
        x = x + self.positions(x.shape[1])
        for block in self.blocks:
            x = block(x)
        return x.permute(0, 3, 1, 2)

    def positions(self, grid: int) -> Tensor:
        """Return [1, grid, grid, dim], scaled from the grid of the pre-training."""
        learned = self.pos_embed[:, 1:].view(1, PRETRAINED_GRID, PRETRAINED_GRID, -1).permute(0, 3, 1, 2)
        return functional.interpolate(learned, size=(grid, grid), mode="bicubic").permute(0, 2, 3, 1)


class Neck(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        layers = OrderedDict[str, nn.Module](
            conv_1x1=nn.Conv2d(dim, DIM, 1, bias=False),
            norm_0=LayerNorm2d(DIM),
            conv_3x3=nn.Conv2d(DIM, DIM, 3, padding=1, bias=False),
            norm_1=LayerNorm2d(DIM),
        )
        self.convs = nn.ModuleList([nn.Sequential(layers)])

    @property
    def only(self) -> nn.Sequential:
        """The only level of the published neck, which is a list."""
        return cast("nn.Sequential", self.convs[0])


class EfficientTam(nn.Module):
    """Maps [B, 3, S, S] to the embedding [B, 256, S/16, S/16].

    `no_mem_embed` marks the absence of an earlier frame; the image predictor adds it to the embedding.
    """

    def __init__(self, sizes: PlainVitSizes) -> None:
        super().__init__()
        self.trunk = PlainVit(sizes)
        self.neck = Neck(sizes.dim)
        self.no_mem_embed = nn.Parameter(torch.zeros(1, 1, DIM))

    def forward(self, pixels: Tensor) -> Tensor:
        embedding: Tensor = self.neck.only(self.trunk(pixels))
        return embedding + self.no_mem_embed.view(-1, 1, 1)


class FusedEfficientTam(nn.Module):
    """`encoder` fused from its current parameters, for inputs of `input_size` pixels per side."""

    no_memory: Tensor

    def __init__(self, encoder: EfficientTam, input_size: int) -> None:
        super().__init__()
        trunk = encoder.trunk
        patches = FusedPatches(trunk.patch_embed, trunk.positions(input_size // PATCH))
        self.blocks = nn.Sequential(patches, *(FusedWindowBlock(cast("WindowBlock", block)) for block in trunk.blocks))
        self.neck = fuse_neck(encoder.neck.only)
        self.register_buffer("no_memory", encoder.no_mem_embed.detach().view(-1, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        embedding: Tensor = self.neck(self.blocks(pixels).permute(0, 3, 1, 2))
        return embedding + self.no_memory


def build_efficient_tam(architecture: Mapping[str, object], input_size: int) -> EfficientTam:
    """Build the encoder of a record's `architecture`. Any square input fits; `input_size` is unused."""
    del input_size
    return EfficientTam(PlainVitSizes(**cast("dict[str, Any]", dict(architecture))))


def fuse_efficient_tam(encoder: EfficientTam, input_size: int) -> nn.Module:
    return FusedEfficientTam(encoder, input_size)
