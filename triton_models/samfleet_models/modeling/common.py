"""Layers that the parts of SAM share (segment_anything/modeling/common.py of facebookresearch/segment-anything)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

Features = tuple[Tensor, ...]  # of images: embeddings [B, 256, h, w], then other inputs of a family's decoder, [B, ...]


class LayerNorm2d(nn.Module):
    """LayerNorm over the channels of a [B, C, H, W] tensor."""

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(1, keepdim=True)
        variance = centred.square().mean(1, keepdim=True)
        normed = centred / torch.sqrt(variance + self.eps)
        return self.weight[:, None, None] * normed + self.bias[:, None, None]


class Mlp(nn.Module):
    """Linear layers of the given widths with an activation between them; keys `layers.<i>`."""

    def __init__(self, widths: Sequence[int], activation: Callable[[Tensor], Tensor] = torch.relu) -> None:
        super().__init__()
        self._activation = activation
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        *hidden, last = self.layers
        for layer in hidden:
            x = self._activation(layer(x))
        return torch.as_tensor(last(x))
