"""The U-Nets of PicoSAM2 and PicoSAM3, with the names of their checkpoints.

Source: PicoSAM2 (arXiv 2506.18807) and PicoSAM3 (arXiv 2603.11917); layout and keys follow model_compression/model.py
of pbonazzi/picosam3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

from torch import Tensor, nn

Design = Literal["picosam2", "picosam3"]


@dataclass(frozen=True, slots=True)
class UNetSizes:
    """Channels of the encoder's stages, of the lowest level, and of the decoder's stages from the lowest up."""

    encoder: tuple[int, int, int, int] = (48, 96, 160, 256)
    lowest: int = 320
    decoder: tuple[int, int, int, int] = (192, 128, 80, 40)


def _normalised(convolution: nn.Conv2d) -> list[nn.Module]:
    return [convolution, nn.BatchNorm2d(convolution.out_channels), nn.ReLU()]


def _depthwise(channels: int, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation, groups=channels, bias=False)


def _separable(inner: int, outer: int) -> nn.Sequential:
    return nn.Sequential(*_normalised(_depthwise(inner)), *_normalised(nn.Conv2d(inner, outer, 1, bias=False)))


def _upsampled(inner: int, outer: int) -> nn.Sequential:
    return nn.Sequential(nn.Upsample(scale_factor=2), _separable(inner, outer))


class UNet(nn.Module):
    """Maps [B, 3, S, S] to [B, C, S, S], S a multiple of 16; subclasses map this to logits."""

    def __init__(self, sizes: UNetSizes, bottleneck: nn.Module) -> None:
        super().__init__()
        inner = 3
        for stage, width in enumerate(sizes.encoder, start=1):
            self.add_module(f"encoder_stage{stage}", _separable(inner, width))
            self.add_module(f"down{stage}", nn.Conv2d(width, width, 3, stride=2, padding=1, bias=False))
            inner = width
        self.bottleneck = bottleneck
        inner = sizes.lowest
        for stage, width in enumerate(sizes.decoder, start=1):
            level = len(sizes.encoder) + 1 - stage
            self.add_module(f"up{stage}", _upsampled(inner, width))
            self.add_module(f"skip_conn{level}", nn.Conv2d(sizes.encoder[level - 1], width, 1))
            inner = width
        self.stages = len(sizes.encoder)

    def features(self, pixels: Tensor) -> Tensor:
        x = pixels
        skips: list[Tensor] = []
        for stage in range(1, self.stages + 1):
            x = cast("Tensor", self.get_submodule(f"encoder_stage{stage}")(x))
            skips.append(x)
            x = self.get_submodule(f"down{stage}")(x)
        x = self.bottleneck(x)
        for stage in range(1, self.stages + 1):
            level = self.stages + 1 - stage
            skip = cast("Tensor", self.get_submodule(f"skip_conn{level}")(skips[level - 1]))
            x = cast("Tensor", self.get_submodule(f"up{stage}")(x)) + skip
        return x


class PicoSam2(UNet):
    """Maps regions [B, 3, S, S] to logits [B, 1, S, S]."""

    def __init__(self, sizes: UNetSizes) -> None:
        super().__init__(sizes, _separable(sizes.encoder[-1], sizes.lowest))
        self.output_head = nn.Conv2d(sizes.decoder[-1], 1, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.output_head(self.features(pixels))
        return logits


class ChannelAttention(nn.Module):
    """Scales each channel of [B, C, h, w] by a gate that comes from the means of all channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1x1 = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate: Tensor = self.conv1x1(x.mean((2, 3), keepdim=True)).sigmoid()
        return x * gate


class PicoSam3(UNet):
    """Maps regions [B, 3, S, S] to logits [B, 1, S, S]; its lowest level sees twice as far as PicoSAM2's."""

    def __init__(self, sizes: UNetSizes) -> None:
        lowest, last = sizes.lowest, sizes.decoder[-1]
        bottleneck = nn.Sequential(
            _separable(sizes.encoder[-1], lowest),
            *_normalised(_depthwise(lowest, dilation=2)),
            *_normalised(nn.Conv2d(lowest, lowest, 1, bias=False)),
        )
        super().__init__(sizes, bottleneck)
        self.eca = ChannelAttention(last)
        self.refine = nn.Sequential(*_normalised(_depthwise(last)), nn.Conv2d(last, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.refine(self.eca(self.features(pixels)))
        return logits


DESIGNS: Mapping[Design, type[PicoSam2 | PicoSam3]] = {"picosam2": PicoSam2, "picosam3": PicoSam3}
