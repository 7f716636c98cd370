"""EfficientViT's small models B0 to B2, as the image trunk of students of SAM 3.

EfficientViT (arXiv 2205.14756); layout and keys follow efficientvit/models/efficientvit/backbone.py of
mit-han-lab/efficientvit, which SimonZeng7108/efficientsam3 includes.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from samfleet_models.modeling.image_encoders.efficientvit import Steps
from samfleet_models.modeling.image_encoders.efficientvit_blocks import (
    SMALL,
    AttentionBlock,
    Convolution,
    DSConv,
    MBConv,
    Residual,
)

EXPANSION = 4
CONVOLUTIONAL = 2  # stages after the stem without attention
SCALE = 5  # side of the neighbourhood that attention aggregates


@dataclass(frozen=True, slots=True)
class SmallSizes:
    """Sizes per stage, the stem first: channels and published block counts; `attention_dim` is that of a head."""

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    attention_dim: int


class SmallEfficientVit(nn.Module):
    """Maps [B, 3, S, S] to [B, C, S/32, S/32] with a last stage of C channels."""

    def __init__(self, sizes: SmallSizes) -> None:
        super().__init__()
        width = sizes.widths[0]
        self.input_stem = Steps(
            Convolution(3, width, 3, stride=2, active=True, style=SMALL),
            *(Residual(DSConv(width, SMALL)) for _ in range(sizes.depths[0])),
        )
        self.stages = nn.ModuleList(_stage(sizes, index) for index in range(1, len(sizes.widths)))

    def forward(self, pixels: Tensor) -> Tensor:
        x: Tensor = self.input_stem(pixels)
        for stage in self.stages:
            x = stage(x)
        return x


def _stage(sizes: SmallSizes, index: int) -> Steps:
    inner, width, depth = sizes.widths[index - 1], sizes.widths[index], sizes.depths[index]
    attends = index > CONVOLUTIONAL
    first = Residual(
        MBConv(inner, width, EXPANSION, stride=2, fewer_norms=attends, style=SMALL),
        shortcut=False,
    )
    if attends:
        blocks = (AttentionBlock(width, sizes.attention_dim, SCALE, EXPANSION, SMALL) for _ in range(depth))
        return Steps(first, *blocks)
    return Steps(first, *(Residual(MBConv(width, width, EXPANSION, style=SMALL)) for _ in range(depth - 1)))
