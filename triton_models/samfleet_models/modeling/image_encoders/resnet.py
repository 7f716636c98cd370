"""NanoSAM's image encoder: a ResNet whose last map is doubled in size, plus a learned position.

ResNet (arXiv 1512.03385) under timm's keys; the rest follows nanosam/models/timm_image_encoder.py of
NVIDIA-AI-IOT/nanosam, so the checkpoint of its training loads strictly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from samfleet_models.modeling.image_encoders.tiny_vit import build_tiny_vit

EMBEDDING_CHANNELS = 256
STRIDE = 16  # network input pixels per embedding pixel


@dataclass(frozen=True, slots=True)
class ResNetSizes:
    """Sizes per stage: channels and blocks of two 3x3 convolutions."""

    widths: tuple[int, ...]
    depths: tuple[int, ...]


class BasicBlock(nn.Module):
    def __init__(self, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inner, outer, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outer)
        self.conv2 = nn.Conv2d(outer, outer, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outer)
        self.downsample = (
            None
            if inner == outer and stride == 1
            else nn.Sequential(nn.Conv2d(inner, outer, 1, stride, bias=False), nn.BatchNorm2d(outer))
        )

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(out + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """Maps [B, 3, S, S] to the last stage's [B, C, S/32, S/32]."""

    def __init__(self, sizes: ResNetSizes) -> None:
        super().__init__()
        first = sizes.widths[0]
        self.conv1 = nn.Conv2d(3, first, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(first)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        for number, width in enumerate(sizes.widths):
            inner = sizes.widths[max(0, number - 1)]
            strided = BasicBlock(inner, width, 1 if number == 0 else 2)
            blocks = (BasicBlock(width, width, 1) for _ in range(sizes.depths[number] - 1))
            self.add_module(f"layer{number + 1}", nn.Sequential(strided, *blocks))

    @property
    def blocks(self) -> list[BasicBlock]:
        return [part for part in self.modules() if isinstance(part, BasicBlock)]

    def forward(self, pixels: Tensor) -> Tensor:
        x: Tensor = self.maxpool(torch.relu(self.bn1(self.conv1(pixels))))
        for block in self.blocks:
            x = block(x)
        return x


class NanoSamEncoder(nn.Module):
    """Maps [B, 3, S, S] to [B, 256, S/16, S/16]; `pos_embedding` fixes S."""

    def __init__(self, sizes: ResNetSizes, input_size: int) -> None:
        super().__init__()
        channels, side = EMBEDDING_CHANNELS, input_size // STRIDE
        self.backbone = ResNet(sizes)
        self.up_1 = nn.Sequential(
            nn.Conv2d(sizes.widths[-1], channels, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.GELU(),
            nn.ConvTranspose2d(channels, channels, 3, 2, 1, 1),
            nn.GELU(),
        )
        self.proj = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1), nn.GELU(), nn.Conv2d(channels, channels, 1)
        )
        self.pos_embedding = nn.Parameter(torch.zeros(1, channels, side, side))

    def forward(self, pixels: Tensor) -> Tensor:
        embedding: Tensor = self.proj(self.up_1(self.backbone(pixels)))
        return embedding + self.pos_embedding


def build_resnet(architecture: Mapping[str, object], input_size: int) -> nn.Module:
    """Build NanoSAM's encoder from the `encoder` in a record's `architecture`."""
    sizes = cast("Mapping[str, Any]", architecture["encoder"])
    return NanoSamEncoder(ResNetSizes(**sizes), input_size)


def nano_sam_key(published: str) -> str:
    """Add the prefix of the encoder, whose checkpoint has its own keys; the decoder's has SAM's."""
    return published if published.startswith(("prompt_encoder.", "mask_decoder.")) else f"image_encoder.{published}"


def decoder_file_encoder(architecture: Mapping[str, object]) -> nn.Module:
    """Make MobileSAM's image encoder on the meta device. It is most of the decoder's file and never read."""
    sizes = cast("Mapping[str, object]", architecture["decoder_file_encoder"])
    with torch.device("meta"):
        return nn.ModuleDict({"image_encoder": build_tiny_vit(sizes, input_size=0)})
