"""SAM 3's neck for its SAM 2 heads: three levels of one feature map, at four times, twice and once its grid.

Simple feature pyramid (ViTDet, arXiv 2203.16527); keys and arithmetic follow sam3/model/necks.py of
facebookresearch/sam3. Its detector has the same neck with other parameters, and a fourth level that no image path
reads.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import cast

import torch
from torch import Tensor, nn

from samfleet_models.modeling.fusion import FusedConvolution, FusedLinear, append_pointwise, widened
from samfleet_models.modeling.image_encoders.fpn import SKIP_CHANNELS, Encoded
from samfleet_models.modeling.transformer import DIM
from samfleet_models.ops.onednn_layers import Activation


class SimplePyramidEncoder(nn.Module):
    """A trunk and its neck: embedding [B, 256, G, G], skips [B, 32, 4 G, 4 G] and [B, 64, 2 G, 2 G].

    `trunk` maps [B, 3, S, S] to [B, channels, G, G]. `no_mem_embed` marks the absence of an earlier frame; the image
    predictor adds it to the embedding.
    """

    def __init__(self, trunk: nn.Module, channels: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.sam2_convs = nn.ModuleList(
            [
                _level(
                    channels // 4,
                    dconv_2x2_0=_doubling(channels, channels // 2),
                    gelu=nn.GELU(),
                    dconv_2x2_1=_doubling(channels // 2, channels // 4),
                ),
                _level(channels // 2, dconv_2x2=_doubling(channels, channels // 2)),
                _level(channels),
            ]
        )
        self.no_mem_embed = nn.Parameter(torch.zeros(1, 1, DIM))
        fine, coarse = SKIP_CHANNELS
        self.conv_s0 = nn.Conv2d(DIM, fine, 1)
        self.conv_s1 = nn.Conv2d(DIM, coarse, 1)

    def forward(self, pixels: Tensor) -> Encoded:
        features = self.trunk(pixels)
        first, second, third = (level(features) for level in self.sam2_convs)
        return third + self.no_mem_embed.view(-1, 1, 1), self.conv_s0(first), self.conv_s1(second)


class FusedDoubling(nn.Module):
    """Transposed convolution of kernel and stride 2 as one linear layer, then the activation: [B, C, h, w] to twice it.

    Each input pixel gives the channels of four output pixels.
    """

    def __init__(self, weight: Tensor, bias: Tensor, activation: Activation = "none") -> None:
        """Take weight [in, out, 2, 2] and bias [out]."""
        super().__init__()
        rows = weight.permute(2, 3, 1, 0).flatten(0, 2)  # [2 * 2 * out, in]
        self.linear = FusedLinear(rows.contiguous(), bias.repeat(4), activation)

    def forward(self, x: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        pixels: Tensor = self.linear(x.permute(0, 2, 3, 1)).view(batch, height, width, 2, 2, -1)
        return pixels.permute(0, 1, 3, 2, 4, 5).reshape(batch, 2 * height, 2 * width, -1).permute(0, 3, 1, 2)


class FusedSimplePyramidEncoder(nn.Module):
    """`encoder` fused from its current parameters, around the fused form of its trunk.

    The last doubling of a level absorbs the 1x1 convolution after it, and the 3x3 convolution that of the mask decoder,
    which leaves an eighth and a quarter of its work.
    """

    def __init__(self, encoder: SimplePyramidEncoder, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk
        finest, fine, same = (cast("nn.Sequential", level) for level in encoder.sam2_convs)
        first = finest.get_submodule("dconv_2x2_0")
        if not isinstance(first, nn.ConvTranspose2d):
            raise TypeError(f"{finest} is not the finest level of SAM 3's neck")
        self.finest = nn.Sequential(
            FusedDoubling(first.weight, torch.as_tensor(first.bias), "gelu"),
            _fused_doubling(finest, "dconv_2x2_1"),
            _fused_3x3(finest, encoder.conv_s0),
        )
        self.fine = nn.Sequential(_fused_doubling(fine, "dconv_2x2"), _fused_3x3(fine, encoder.conv_s1))
        point, last = _convolution(same, "conv_1x1"), _convolution(same, "conv_3x3")
        weight, bias = widened(last)
        bias = (bias + encoder.no_mem_embed.double().flatten()).to(last.weight.dtype)
        self.same = nn.Sequential(
            FusedConvolution(point, point.weight, point.bias, "none"),
            FusedConvolution(last, weight.to(last.weight.dtype), bias, "none"),
        )

    def forward(self, pixels: Tensor) -> Encoded:
        features = self.trunk(pixels)
        return self.same(features), self.finest(features), self.fine(features)


def _doubling(inner: int, outer: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(inner, outer, 2, stride=2)


def _level(channels: int, **before: nn.Module) -> nn.Sequential:
    layers = OrderedDict[str, nn.Module](
        **before, conv_1x1=nn.Conv2d(channels, DIM, 1), conv_3x3=nn.Conv2d(DIM, DIM, 3, padding=1)
    )
    return nn.Sequential(layers)


def _convolution(level: nn.Sequential, name: str) -> nn.Conv2d:
    found = level.get_submodule(name)
    if not isinstance(found, nn.Conv2d):
        raise TypeError(f"{name} of {level} is not a convolution")
    return found


def _fused_doubling(level: nn.Sequential, name: str) -> FusedDoubling:
    """Fuse a level's doubling with the 1x1 convolution after it."""
    doubling, point = level.get_submodule(name), _convolution(level, "conv_1x1")
    if not isinstance(doubling, nn.ConvTranspose2d):
        raise TypeError(f"{name} of {level} is not a transposed convolution")
    weight, bias = append_pointwise(doubling.weight.transpose(0, 1), doubling.bias, point)
    return FusedDoubling(weight.transpose(0, 1), bias)


def _fused_3x3(level: nn.Sequential, skip: nn.Conv2d) -> FusedConvolution:
    """Fuse a level's 3x3 convolution with the 1x1 convolution of the mask decoder after it."""
    last = _convolution(level, "conv_3x3")
    return FusedConvolution(last, *append_pointwise(last.weight, last.bias, skip), "none")
