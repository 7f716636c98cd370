"""The blocks of all forms of RepViT; each form arranges them under its own official keys.

RepViT (arXiv 2307.09283); layers follow sam/repvit_sam/modeling/repvit.py of THU-MIG/RepViT,
edge_sam/modeling/rep_vit.py of chongzhou96/EdgeSAM and timm/models/repvit.py of huggingface/pytorch-image-models, which
name the same layers differently.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from samfleet_models.modeling.image_encoders.tiny_vit import ConvNorm

WIDENING = 2  # factor of the channels between the two convolutions of a channel mixer
BranchNorms = Literal["each", "sum"]


class RepVggDw(nn.Module):
    """Sum of depth-wise 3x3 and 1x1 convolutions and the identity.

    With `norms` "each" both convolutions have a batch normalisation (EdgeSAM, EdgeTAM). With "sum" only the first has
    one, and another follows the sum (RepViT-SAM).
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
    """Weights channels with two small layers on their means over the image."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        hidden = max(8, (dim // 4 + 4) // 8 * 8)  # a quarter, rounded to the nearest multiple of 8
        self.fc1 = nn.Conv2d(dim, hidden, 1)
        self.fc2 = nn.Conv2d(hidden, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        weights: Tensor = self.fc2(functional.relu(self.fc1(x.mean((2, 3), keepdim=True))))
        return x * weights.sigmoid()


class Residual(nn.Sequential):
    """Adds the input to the output of its steps."""

    def forward(self, x: Tensor) -> Tensor:
        out = x
        for step in self:
            out = step(out)
        return x + out


def mixing(dim: int) -> tuple[ConvNorm, nn.GELU, ConvNorm]:
    """Return the steps of a channel mixer, which a `Residual` adds to their input."""
    return ConvNorm(dim, WIDENING * dim), nn.GELU(), ConvNorm(WIDENING * dim, dim)


def embedding(dim: int) -> tuple[ConvNorm, nn.GELU, ConvNorm]:
    """Return the steps from pixels to the first stage: a quarter of the resolution."""
    return ConvNorm(3, dim // 2, 3, stride=2), nn.GELU(), ConvNorm(dim // 2, dim, 3, stride=2)


def narrowing(inner: int, outer: int, stride: int) -> tuple[ConvNorm, ConvNorm]:
    """Return the two steps from one stage's resolution and channels to the next one's."""
    return ConvNorm(inner, inner, 3, stride=stride, groups=inner), ConvNorm(inner, outer)
