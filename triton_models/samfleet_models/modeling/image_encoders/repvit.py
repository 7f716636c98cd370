"""RepViT with SAM's neck, under the official keys of RepViT-SAM and EdgeSAM.

RepViT-SAM (arXiv 2312.05760), sam/repvit_sam/modeling/repvit.py of THU-MIG/RepViT; EdgeSAM (arXiv 2312.06660),
edge_sam/modeling/rep_vit.py of chongzhou96/EdgeSAM.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, cast

from torch import Tensor, nn
from torch.nn import functional

from samfleet_models.modeling.common import LayerNorm2d
from samfleet_models.modeling.image_encoders.repvit_blocks import (
    BranchNorms,
    RepVggDw,
    Residual,
    SqueezeExcite,
    embedding,
    mixing,
    narrowing,
)

EMBEDDING_CHANNELS = 256
Upsampling = Literal["bicubic", "bilinear"]


@dataclass(frozen=True, slots=True)
class RepVitSizes:
    """Sizes per stage: channels and blocks, without the block that leads to it from the stage before.

    With `upsampling` the last stage has half the embedding's resolution, is upsampled with that mode and added to the
    stage before it. Without, it keeps that stage's resolution and only it goes to the neck.
    """

    channels: tuple[int, ...]
    depths: tuple[int, ...]
    branch_norms: BranchNorms
    upsampling: Upsampling | None = None

    @property
    def last_stage(self) -> int:
        """Number of steps of the last stage in the encoder's features."""
        return 1 + self.depths[-1]


class RepVit(nn.Module):
    """Image encoder: maps [B, 3, S, S] to [B, 256, S/16, S/16]."""

    def __init__(self, sizes: RepVitSizes) -> None:
        super().__init__()
        self.features = _features(sizes, 1 if sizes.upsampling is None else 2)
        self.neck = nn.Sequential(
            nn.Conv2d(
                EMBEDDING_CHANNELS if sizes.upsampling else sizes.channels[-1], EMBEDDING_CHANNELS, 1, bias=False
            ),
            LayerNorm2d(EMBEDDING_CHANNELS),
            nn.Conv2d(EMBEDDING_CHANNELS, EMBEDDING_CHANNELS, 3, padding=1, bias=False),
            LayerNorm2d(EMBEDDING_CHANNELS),
        )

    def forward(self, pixels: Tensor) -> Tensor:
        out: Tensor = self.neck(self.features(pixels))
        return out


class TwoScaleRepVit(RepVit):
    """A RepVit whose embedding combines the last two stages."""

    def __init__(self, sizes: RepVitSizes, upsampling: Upsampling) -> None:
        super().__init__(sizes)
        self.upsampling = upsampling
        self.last_stage = sizes.last_stage
        fine, coarse = (nn.Conv2d(channels, EMBEDDING_CHANNELS, 1, bias=False) for channels in sizes.channels[-2:])
        self.fuse_stage2 = fine
        self.fuse_stage3 = nn.Sequential(OrderedDict(op_list=nn.Sequential(coarse)))

    def forward(self, pixels: Tensor) -> Tensor:
        fine = self.features[: -self.last_stage](pixels)
        coarse = self.features[-self.last_stage :](fine)
        out: Tensor = self.neck(self.fuse_stage2(fine) + upsampled(self.fuse_stage3(coarse), self.upsampling))
        return out


class RepVitFeatures(nn.Module):
    """The stages alone: maps [B, 3, S, S] to [B, C, G, G] with a last stage of C channels."""

    def __init__(self, sizes: RepVitSizes, last_stride: int) -> None:
        super().__init__()
        self.features = _features(sizes, last_stride)

    def forward(self, pixels: Tensor) -> Tensor:
        out: Tensor = self.features(pixels)
        return out


def upsampled(x: Tensor, mode: Upsampling) -> Tensor:
    """Double height and width; bicubic with torch's a = -0.75."""
    return functional.interpolate(x, scale_factor=2, mode=mode, align_corners=False)


def _features(sizes: RepVitSizes, last_stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Sequential(*embedding(sizes.channels[0])), *_stages(sizes, last_stride))


def _stages(sizes: RepVitSizes, last_stride: int) -> Iterator[nn.Module]:
    last = len(sizes.depths) - 1
    steps: list[tuple[int, int]] = [(0, 0), *pairwise(sizes.channels)]
    for stage, ((inner, outer), depth) in enumerate(zip(steps, sizes.depths, strict=True)):
        if stage > 0:
            spatial, channel = narrowing(inner, outer, last_stride if stage == last else 2)
            yield _block(nn.Sequential(spatial, nn.Identity(), channel), outer)
        dim = sizes.channels[stage]
        for index in range(depth):
            excited = index % 2 == 0 and index + 1 < depth  # every other block, never the last
            excite = SqueezeExcite(dim) if excited else nn.Identity()
            yield _block(nn.Sequential(RepVggDw(dim, sizes.branch_norms), excite), dim)


def _block(token_mixer: nn.Module, dim: int) -> nn.Sequential:
    channel_mixer = nn.Sequential(OrderedDict(m=Residual(*mixing(dim))))
    return nn.Sequential(OrderedDict(token_mixer=token_mixer, channel_mixer=channel_mixer))


def build_repvit(architecture: Mapping[str, object], input_size: int) -> RepVit:
    """Build the encoder of a record's `architecture`. Any square input fits; `input_size` is unused."""
    del input_size
    sizes = RepVitSizes(**cast("dict[str, Any]", dict(architecture)))
    return RepVit(sizes) if sizes.upsampling is None else TwoScaleRepVit(sizes, sizes.upsampling)
