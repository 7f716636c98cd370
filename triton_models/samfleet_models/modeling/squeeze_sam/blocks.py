"""Convolutions of SqueezeSAM's U-Net; layout and keys follow squeeze_sam/unet_{encoder,decoder}.py (see `network`)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class ConvStep(nn.Module):
    """A 3x3 convolution, ReLU, then batch normalisation, in this order."""

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(inner, outer, 3, padding=1), nn.ReLU())
        self.norm = nn.BatchNorm2d(outer)

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.norm(self.conv(x)))


class DoubleConv(nn.Module):
    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.double_conv = nn.Sequential(ConvStep(inner, outer), ConvStep(outer, outer))

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.double_conv(x))


class Down(nn.Module):
    """Halves the side by the maximum of 2x2 pixels, then convolves twice."""

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), DoubleConv(inner, outer))

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.maxpool_conv(x))


class DoubleSide(nn.Module):
    """Maps [B, C, h, w] to [B, C / 2, 2 h, 2 w]: a linear layer per pixel makes the four pixels that replace it."""

    def __init__(self, inner: int) -> None:
        super().__init__()
        self.upsampler_linear = nn.Sequential(nn.Linear(inner, 4 * (inner // 2)), nn.ReLU())
        self.norm = nn.BatchNorm2d(4 * (inner // 2))

    def forward(self, x: Tensor) -> Tensor:
        spread = self.upsampler_linear(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return functional.pixel_shuffle(self.norm(spread), 2)


class Up(nn.Module):
    """Doubles the side of `deep`, appends it to the encoder's map of that side, and convolves twice."""

    def __init__(self, deep: int, outer: int) -> None:
        super().__init__()
        self.up = DoubleSide(deep)
        self.conv = DoubleConv(deep // 2 + outer, outer)

    def forward(self, deep: Tensor, skip: Tensor) -> Tensor:
        return torch.as_tensor(self.conv(torch.cat([skip, self.up(deep)], dim=1)))
