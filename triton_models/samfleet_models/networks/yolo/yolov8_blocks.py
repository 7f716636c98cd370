"""Blocks of YOLOv8 under the keys of ultralytics' checkpoints: convolutions with SiLU, split and joined."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

BATCH_NORM_EPS = 1e-3  # the published networks were trained and run with it, not with torch's 1e-5
POOLED = 5  # side of the windows of PyramidPooling


class ConvNorm(nn.Module):
    """Convolution without bias, batch normalisation, SiLU."""

    def __init__(self, inner: int, outer: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inner, outer, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outer, eps=BATCH_NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        return functional.silu(self.bn(self.conv(x)))


class Bottleneck(nn.Module):
    def __init__(self, width: int, *, residual: bool) -> None:
        super().__init__()
        self.residual = residual
        self.cv1 = ConvNorm(width, width, 3)
        self.cv2 = ConvNorm(width, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.cv2(self.cv1(x))
        return out.add_(x) if self.residual else out


class C2f(nn.Module):
    """Runs half of the channels through a chain of bottlenecks; every step is kept and concatenated."""

    def __init__(self, inner: int, outer: int, blocks: int, *, residual: bool = False) -> None:
        super().__init__()
        half = outer // 2
        self.cv1 = ConvNorm(inner, 2 * half)
        self.cv2 = ConvNorm((2 + blocks) * half, outer)
        self.m = nn.ModuleList(Bottleneck(half, residual=residual) for _ in range(blocks))

    def forward(self, x: Tensor) -> Tensor:
        steps = list(self.cv1(x).chunk(2, dim=1))
        for block in self.m:
            steps.append(block(steps[-1]))
        out: Tensor = self.cv2(torch.cat(steps, dim=1))
        return out


class PyramidPooling(nn.Module):
    """Concatenates the input with its maxima over increasingly large windows (SPPF)."""

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.cv1 = ConvNorm(inner, inner // 2)
        self.cv2 = ConvNorm(inner // 2 * 4, outer)

    def forward(self, x: Tensor) -> Tensor:
        steps = [self.cv1(x)]
        for _ in range(3):
            steps.append(functional.max_pool2d(steps[-1], POOLED, stride=1, padding=POOLED // 2))
        out: Tensor = self.cv2(torch.cat(steps, dim=1))
        return out
