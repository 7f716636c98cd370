"""EfficientViT-SAM: convolutional stages, linear attention in the last ones, and a neck that joins three of them.

EfficientViT-SAM (arXiv 2402.05008); layout and keys follow efficientvit/models/efficientvit/{backbone,sam}.py of
mit-han-lab/efficientvit, so its checkpoints load strictly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from samfleet_models.modeling.common import LayerNorm2d
from samfleet_models.modeling.image_encoders.efficientvit_blocks import (
    EPSILON,
    AttentionBlock,
    Convolution,
    FusedMBConv,
    MBConv,
    ResBlock,
    Residual,
)

EMBEDDING_CHANNELS = 256
DOWNSAMPLING_EXPANSION = 4  # expansion of a stage's first block over that of the stage
Kind = Literal["res", "fmb", "mb", "att", "att@3"]


@dataclass(frozen=True, slots=True)
class EfficientVitSizes:
    """Sizes per stage: channels, blocks after the first, their kind and expansion, and whether they have `fewer_norms`.

    "att" aggregates 5x5 pixels, "att@3" 3x3. The neck joins `neck_stages`, in their order in the checkpoint, on a grid
    of `embedding_side` pixels.
    """

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    blocks: tuple[Kind, ...]
    expansions: tuple[int, ...]
    fewer_norms: tuple[bool, ...]
    neck_stages: tuple[int, ...]
    neck_depth: int
    neck_expansion: int
    attention_dim: int = 32
    embedding_side: int = 64


class Steps(nn.Module):
    """Modules in sequence, under the official key `op_list`."""

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__()
        self.op_list = nn.ModuleList(modules)

    def forward(self, x: Tensor) -> Tensor:
        for module in self.op_list:
            x = module(x)
        return x


class Backbone(nn.Module):
    def __init__(self, sizes: EfficientVitSizes) -> None:
        super().__init__()
        self.stages = nn.ModuleList(_stage(sizes, index) for index in range(len(sizes.widths)))

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Return the output of each stage: stage i has 1/2^(i+1) of the input's side."""
        features: list[Tensor] = []
        for stage in self.stages:
            features.append(stage(features[-1] if features else pixels))
        return features


class Neck(nn.Module):
    """Brings several stages to the width and side of the embedding, adds them, and refines the sum."""

    def __init__(self, sizes: EfficientVitSizes) -> None:
        super().__init__()
        self.stages, self.side = sizes.neck_stages, sizes.embedding_side
        width = EMBEDDING_CHANNELS
        self.input_ops = nn.ModuleList(Steps(Convolution(sizes.widths[stage], width)) for stage in self.stages)
        blocks = (FusedMBConv(width, width, sizes.neck_expansion) for _ in range(sizes.neck_depth))
        self.middle = Steps(*(Residual(block) for block in blocks))
        self.output_ops = nn.ModuleList([Steps(Convolution(width, width, norm=False))])

    def forward(self, features: list[Tensor]) -> Tensor:
        parts = zip(self.input_ops, self.stages, strict=True)
        joined = sum(at_side(step(features[stage]), self.side) for step, stage in parts)
        (output,) = self.output_ops
        return torch.as_tensor(output(self.middle(joined)))


class EfficientVit(nn.Module):
    """Image encoder: maps [B, 3, S, S] to [B, 256, 64, 64]."""

    def __init__(self, sizes: EfficientVitSizes) -> None:
        super().__init__()
        self.backbone = Backbone(sizes)
        self.neck = Neck(sizes)
        self.norm = LayerNorm2d(EMBEDDING_CHANNELS, EPSILON)

    def forward(self, pixels: Tensor) -> Tensor:
        return torch.as_tensor(self.norm(self.neck(self.backbone(pixels))))


def at_side(x: Tensor, side: int) -> Tensor:
    """Resize to [B, C, side, side] by bicubic interpolation without antialiasing; a no-op if it has that side."""
    if x.shape[2:] == (side, side):
        return x
    return functional.interpolate(x, (side, side), mode="bicubic", align_corners=False)


def _stage(sizes: EfficientVitSizes, index: int) -> Steps:
    width, depth, kind = sizes.widths[index], sizes.depths[index], sizes.blocks[index]
    if index == 0:
        return Steps(Convolution(3, width, 3, stride=2, active=True), *(_block(sizes, index) for _ in range(depth)))
    expansion, fewer_norms = DOWNSAMPLING_EXPANSION * sizes.expansions[index], sizes.fewer_norms[index]
    make = FusedMBConv if kind == "fmb" else MBConv
    first = make(sizes.widths[index - 1], width, expansion, stride=2, fewer_norms=fewer_norms)
    return Steps(Residual(first, shortcut=False), *(_block(sizes, index) for _ in range(depth)))


def _block(sizes: EfficientVitSizes, index: int) -> nn.Module:
    width, expansion, fewer_norms = sizes.widths[index], sizes.expansions[index], sizes.fewer_norms[index]
    match sizes.blocks[index]:
        case "res":
            return Residual(ResBlock(width))
        case "fmb":
            return Residual(FusedMBConv(width, width, expansion, fewer_norms=fewer_norms))
        case "mb":
            return Residual(MBConv(width, width, expansion, fewer_norms=fewer_norms))
        case "att":
            return AttentionBlock(width, sizes.attention_dim, 5, expansion)
        case "att@3":
            return AttentionBlock(width, sizes.attention_dim, 3, expansion)


def build_efficientvit(architecture: Mapping[str, object], input_size: int) -> nn.Module:
    """Build the encoder of a record's `architecture`; its embedding has the same side for every `input_size`."""
    del input_size
    return EfficientVit(EfficientVitSizes(**cast("dict[str, Any]", dict(architecture))))
