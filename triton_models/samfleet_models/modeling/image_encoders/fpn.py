"""SAM 2's neck: features of four grids as 256 channels each; the coarsest is added to the one before it.

Feature pyramid networks (arXiv 1612.03144); keys and arithmetic follow sam2/modeling/backbones/image_encoder.py of
facebookresearch/sam2. The image path reads three levels of the pyramid: the embedding (1/16 of the input), and those of
1/8 and 1/4 through a convolution of the mask decoder, which depends only on the image.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from samfleet_models.modeling.fusion import FusedConvolution, append_pointwise, widened
from samfleet_models.modeling.transformer import DIM

SKIP_CHANNELS = (DIM // 8, DIM // 4)  # channels of the skips at 1/4 and 1/8 of the input
Encoded = tuple[Tensor, Tensor, Tensor]


class Lateral(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, DIM, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return out


class FeaturePyramid(nn.Module):
    """The pyramid. `channels` and features are in the trunk's order, finest first; the keys count from the coarsest."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.convs = nn.ModuleList(Lateral(count) for count in reversed(channels))

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Return [B, 256, G, G] of the three finest `features`; only the third includes the fourth."""
        coarsest, third, second, first = (
            conv(feature) for conv, feature in zip(self.convs, reversed(features), strict=True)
        )
        return [first, second, third + doubled(coarsest)]


class PyramidEncoder(nn.Module):
    """A trunk and the pyramid: embedding [B, 256, S/16, S/16], skips [B, 32, S/4, S/4] and [B, 64, S/8, S/8].

    `no_mem_embed` marks the absence of an earlier frame; the image predictor adds it to the embedding.
    """

    def __init__(self, trunk: nn.Module, channels: Sequence[int]) -> None:
        super().__init__()
        self.trunk = trunk
        self.neck = FeaturePyramid(channels)
        self.no_mem_embed = nn.Parameter(torch.zeros(1, 1, DIM))
        fine, coarse = SKIP_CHANNELS
        self.conv_s0 = nn.Conv2d(DIM, fine, 1)
        self.conv_s1 = nn.Conv2d(DIM, coarse, 1)

    def forward(self, pixels: Tensor) -> Encoded:
        first, second, third = self.neck(self.trunk(pixels))
        return third + self.no_mem_embed.view(-1, 1, 1), self.conv_s0(first), self.conv_s1(second)


class FusedPyramidEncoder(nn.Module):
    """`encoder` fused from its current parameters, around the fused form of its trunk.

    There is no step between a level's convolution and that of the mask decoder, so both become one with an eighth of
    the work.
    """

    def __init__(self, encoder: PyramidEncoder, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk
        coarsest, third, second, first = (_convolution(lateral) for lateral in encoder.neck.convs)
        self.coarsest = _fused(coarsest, *widened(coarsest))
        weight, bias = widened(third)
        self.third = _fused(third, weight, bias + encoder.no_mem_embed.double().flatten())
        self.skip_0 = _fused(first, *append_pointwise(first.weight, first.bias, encoder.conv_s0))
        self.skip_1 = _fused(second, *append_pointwise(second.weight, second.bias, encoder.conv_s1))

    def forward(self, pixels: Tensor) -> Encoded:
        first, second, third, coarsest = self.trunk(pixels)
        embedding = self.third(third).add_(doubled(self.coarsest(coarsest)))
        return embedding, self.skip_0(first), self.skip_1(second)


def doubled(x: Tensor) -> Tensor:
    """Repeat every pixel of [B, C, G, G] as 2x2 equal ones."""
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


def _convolution(lateral: nn.Module) -> nn.Conv2d:
    if not isinstance(lateral, Lateral):
        raise TypeError(f"{lateral} is not a level of a feature pyramid")
    return lateral.conv


def _fused(convolution: nn.Conv2d, weight: Tensor, bias: Tensor) -> FusedConvolution:
    dtype = convolution.weight.dtype
    return FusedConvolution(convolution, weight.to(dtype), bias.to(dtype), "none")
