"""Transformer blocks on a grid of tokens, with attention in windows or over the whole grid.

ViTDet (arXiv 2203.16527) and Hiera (arXiv 2306.00989) as used by SAM 2 and EfficientTAM; keys and arithmetic follow
modeling/backbones/hieradet.py of facebookresearch/sam2 and modeling/backbones/vitdet.py of yformer/EfficientTAM.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

EPS = 1e-6
MLP_RATIO = 4


class PatchEmbed(nn.Module):
    """Maps an image [B, 3, S, S] to a grid of tokens [B, G, G, dim]."""

    def __init__(self, dim: int, kernel: int, stride: int, padding: int, *, bias: bool = True) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, kernel, stride, padding, bias=bias)

    def forward(self, pixels: Tensor) -> Tensor:
        tokens: Tensor = self.proj(pixels).permute(0, 2, 3, 1)
        return tokens


class Attention(nn.Module):
    """Attention parameters. `qkv` returns all heads' queries, then all keys, then all values."""

    def __init__(self, inner: int, outer: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(inner, 3 * outer)
        self.proj = nn.Linear(outer, outer)


class GeluMlp(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(dim, MLP_RATIO * dim), nn.Linear(MLP_RATIO * dim, dim)])

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.layers
        out: Tensor = second(functional.gelu(first(x)))
        return out


class WindowBlock(nn.Module):
    """Maps [B, G, G, inner] to [B, G, G, outer], or to half the grid if the channels change.

    `window` is the side of the attention's windows in tokens of the incoming grid, 0 for the whole grid. A block that
    changes the channels pools its queries before the attention, and its residual, which is a projection of the
    normalised tokens.
    """

    def __init__(self, inner: int, outer: int, heads: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.norm1 = nn.LayerNorm(inner, EPS)
        self.attn = Attention(inner, outer, heads)
        self.norm2 = nn.LayerNorm(outer, EPS)
        self.mlp = GeluMlp(outer)
        self.proj = None if inner == outer else nn.Linear(inner, outer)

    @property
    def pools(self) -> bool:
        return self.proj is not None

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm1(x)
        attn = self.attn
        shortcut = x if self.proj is None else pooled(self.proj(normed))
        mixed = attend(attn.qkv(normed), attn.qkv.bias, attn.heads, self.window, pool=self.pools)
        x = shortcut + attn.proj(mixed)
        return x + torch.as_tensor(self.mlp(self.norm2(x)))


def attend(qkv: Tensor, padding: Tensor, heads: int, window: int, *, pool: bool) -> Tensor:
    """Attend in every window of a square grid `qkv` [B, G, G, 3 C]. Return [B, G, G, C], or half the grid with `pool`.

    The published modules pad the normalised tokens with zeros to whole windows, and padded tokens take part in the
    softmax: their queries, keys and values are the bias of the layer, `padding` [3 C].
    """
    side = window or qkv.shape[1]
    channels = qkv.shape[-1] // 3
    queries, query_side = qkv[..., :channels], side
    if pool:
        queries, query_side = pooled(queries), side // 2
    q = split_heads(split_windows(queries, query_side, padding[:channels]), heads)
    k, v = (
        split_heads(part, heads) for part in split_windows(qkv[..., channels:], side, padding[channels:]).chunk(2, -1)
    )
    out = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
    return join_windows(out, query_side, queries.shape[1])


def pooled(x: Tensor) -> Tensor:
    """Return the maxima of 2x2 tokens of [B, G, G, C]."""
    return functional.max_pool2d(x.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)


def split_windows(x: Tensor, side: int, padding: Tensor) -> Tensor:
    """Return [B * windows, side², C] of a grid [B, G, G, C], padded on the right and bottom with `padding` [C]."""
    batch, grid, _, channels = x.shape
    count = -(-grid // side)
    if count * side > grid:
        padded = padding.repeat(batch, count * side, count * side, 1)
        padded[:, :grid, :grid] = x
        x = padded
    windows = x.reshape(batch, count, side, count, side, channels).transpose(2, 3)
    return windows.reshape(-1, side * side, channels)


def join_windows(windows: Tensor, side: int, grid: int) -> Tensor:
    """Invert `split_windows` and remove the padding."""
    count = -(-grid // side)
    x = windows.reshape(-1, count, count, side, side, windows.shape[-1]).transpose(2, 3)
    return x.reshape(-1, count * side, count * side, windows.shape[-1])[:, :grid, :grid]


def split_heads(x: Tensor, heads: int) -> Tensor:
    """Return [n, heads, T, C / heads] of `x` [n, T, C]."""
    return x.view(*x.shape[:2], heads, -1).transpose(1, 2)
