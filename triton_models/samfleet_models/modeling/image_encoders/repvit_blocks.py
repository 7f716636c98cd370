"""The blocks that all forms of RepViT are made of; their arrangement under official keys is each form's own.

RepViT (arXiv 2307.09283); layers as sam/repvit_sam/modeling/repvit.py of THU-MIG/RepViT, edge_sam/modeling/rep_vit.py
of chongzhou96/EdgeSAM and timm/models/repvit.py of huggingface/pytorch-image-models, which name the same ones
differently.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from samfleet_models.modeling.image_encoders.tiny_vit import ConvNorm

WIDENING = 2  # of the channels between the two convolutions of a channel mixer
BranchNorms = Literal["each", "sum"]


class RepVggDw(nn.Module):
    """Depth-wise 3x3 and 1x1 convolutions and the identity, added.

    With `norms` "each" the two convolutions have a batch normalisation of their own (EdgeSAM, EdgeTAM); with "sum" the
    first has one, and another follows the sum (RepViT-SAM).
    """

    def __init__(self, dim: int, norms: BranchNorms) -> None:
        super().__init__()
        self.conv = ConvNorm(dim, dim, 3, groups=dim)
        self.conv1 = ConvNorm(dim, dim, groups=dim) if norms == "each" else nn.Conv2d(dim, dim, 1, groups=dim)
        self.bn = nn.Identity() if norms == "each" else nn.BatchNorm2d(dim)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.bn(self.conv(x) + self.conv1(x) + x)
        return out


class SqueezeExcite(nn.Module):
    """Channels weighted by what two small layers make of their means over the image."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        hidden = max(8, (dim // 4 + 4) // 8 * 8)  # a quarter, rounded to the nearest multiple of 8
        self.fc1 = nn.Conv2d(dim, hidden, 1)
        self.fc2 = nn.Conv2d(hidden, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        weights: Tensor = self.fc2(functional.relu(self.fc1(x.mean((2, 3), keepdim=True))))
        return x * weights.sigmoid()


class Residual(nn.Sequential):
    """What its steps make of the input, added to it."""

    def forward(self, x: Tensor) -> Tensor:
        out = x
        for step in self:
            out = step(out)
        return x + out


def mixing(dim: int) -> tuple[ConvNorm, nn.GELU, ConvNorm]:
    """The steps of a channel mixer, which a `Residual` adds to their input."""
    return ConvNorm(dim, WIDENING * dim), nn.GELU(), ConvNorm(WIDENING * dim, dim)


def embedding(dim: int) -> tuple[ConvNorm, nn.GELU, ConvNorm]:
    """The steps from pixels to the first stage: a quarter of the resolution."""
    return ConvNorm(3, dim // 2, 3, stride=2), nn.GELU(), ConvNorm(dim // 2, dim, 3, stride=2)


def narrowing(inner: int, outer: int, stride: int) -> tuple[ConvNorm, ConvNorm]:
    """The steps from one stage's resolution and channels to the next one's, without a step between them."""
    return ConvNorm(inner, inner, 3, stride=stride, groups=inner), ConvNorm(inner, outer)
