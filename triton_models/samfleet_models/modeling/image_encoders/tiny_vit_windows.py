"""TinyViT's attention in windows of a square grid, in which all padding of a window is one key.

The published module pads the grid with zeros to whole windows before the LayerNorm. So padded tokens have equal keys k
and equal values, and differ only in their learned bias b. A query q gives all of them together the weight

    sum exp(q·k + b) = exp(q·k + log sum exp b),

that of one key whose bias is the logsumexp of theirs. Padded queries are dropped in the end. So windows contain real
tokens, and those at the right and bottom edge one more key.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from samfleet_models.modeling.fusion import fuse_after_norm, fuse_linear, normalised
from samfleet_models.modeling.image_encoders.tiny_vit import WindowAttention


class Region(nn.Module):
    """Windows of equal size: `tokens` [windows, T] are indices in the grid, `bias` [1, heads, T, T or T + 1]."""

    tokens: Tensor
    bias: Tensor

    def __init__(self, tokens: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.register_buffer("tokens", tokens)
        self.register_buffer("bias", bias[None])

    def places(self, batch: int, pixels: int) -> Tensor:
        """Return the rows [batch * windows * T] of these tokens among those of all images, which have `pixels` each."""
        firsts = torch.arange(0, batch * pixels, pixels, device=self.tokens.device)
        return (firsts[:, None] + self.tokens.flatten()).flatten()

    def attend(self, qkv: Tensor, padding: Tensor) -> Tensor:
        """Return [n, C] of `qkv` [n, 3 C], head by head: q, k, v; `padding` [3 C] is that of a padded token."""
        _, heads, tokens, keys = self.bias.shape
        windows = qkv.view(-1, tokens, qkv.shape[-1])
        if keys > tokens:
            windows = torch.cat([windows, padding.expand(len(windows), 1, -1)], dim=1)
        q, k, v = windows.view(len(windows), keys, heads, -1).transpose(1, 2).chunk(3, dim=-1)
        out = functional.scaled_dot_product_attention(q[:, :, :tokens], k, v, attn_mask=self.bias)
        return out.transpose(1, 2).flatten(2).flatten(0, 1)


class FusedAttention(nn.Module):
    """LayerNorm, attention in windows and residual addition on [B, grid, grid, C]."""

    padding: Tensor

    def __init__(self, attention: WindowAttention, window: int, grid: int) -> None:
        super().__init__()
        self.eps = attention.norm.eps
        self.qkv = fuse_after_norm(attention.norm, attention.qkv)
        self.register_buffer("padding", self.qkv.bias)  # normalised zeros are zeros
        self.proj = fuse_linear(attention.proj)
        table = attention.attention_biases.detach()[:, attention.attention_bias_idxs]
        self.regions = nn.ModuleList(regions(table, window, grid))

    def forward(self, x: Tensor) -> Tensor:
        parts = cast("list[Region]", list(self.regions))
        places = [part.places(len(x), x.shape[1] * x.shape[2]) for part in parts]
        order = torch.cat(places)
        back = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))
        qkv = self.qkv(normalised(x, self.eps).flatten(0, 2).index_select(0, order))
        qkvs = qkv.split([len(place) for place in places])
        outs = [part.attend(rows, self.padding) for part, rows in zip(parts, qkvs, strict=True)]
        out: Tensor = self.proj(torch.cat(outs).index_select(0, back).view(x.shape), add=x)
        return out


def regions(table: Tensor, side: int, grid: int) -> Iterator[Region]:
    """Yield the non-empty regions: whole windows, and those cut by the right edge, by the bottom edge and by both.

    `table` [heads, side², side²] has the biases of a whole window.
    """
    places, inside = (torch.arange(length**2, device=table.device).view(length, length) for length in (grid, side))
    whole = grid // side * side
    for rows in (places[:whole], places[whole:]):
        for tokens in (rows[:, :whole], rows[:, whole:]):
            if tokens.numel():
                height, width = (min(side, length) for length in tokens.shape)
                windows = tokens.reshape(len(tokens) // height, height, -1, width).transpose(1, 2)
                real, padded = inside[:height, :width].flatten(), _outside(inside, height, width)
                yield Region(windows.reshape(-1, height * width), _bias(table[:, real], real, padded))


def _outside(inside: Tensor, height: int, width: int) -> Tensor:
    return torch.cat([inside[:height, width:].flatten(), inside[height:].flatten()])


def _bias(table: Tensor, real: Tensor, padded: Tensor) -> Tensor:
    """Return [heads, T, T or T + 1] of `table` [heads, T, side²]; the last column represents all padding."""
    if not len(padded):
        return table[:, :, real]
    together = table[:, :, padded].double().logsumexp(-1, keepdim=True).to(table.dtype)
    return torch.cat([table[:, :, real], together], dim=-1)
