"""Transformer blocks with rotary positions, in windows or over the whole grid: the layers of SAM 3's image encoder.

Rotary positions (arXiv 2104.09864) for two axes (arXiv 2403.13298), ViTDet (arXiv 2203.16527); keys and arithmetic
follow sam3/model/vitdet.py of facebookresearch/sam3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from samfleet_models.modeling.image_encoders.window_blocks import Attention, join_windows, split_heads, split_windows

EPS = 1e-5
THETA = 10000.0  # base of the frequencies


@dataclass(frozen=True, slots=True)
class Rotation:
    """Cosines and sines [side², D / 2] float32 by which a head's D channels turn, two channels at a time.

    The first half of the pairs turns with x, the second half with y.
    """

    cosines: Tensor
    sines: Tensor

    @classmethod
    def of(cls, side: int, trained_side: int, channels: int, device: torch.device) -> Rotation:
        """Make the rotation of a square of `side` tokens per side for heads of `channels` channels.

        Positions are scaled so that the square spans `trained_side` positions, those of the pre-training.
        """
        powers = torch.arange(0, channels, 4, device=device, dtype=torch.float32) / channels
        frequencies = torch.pow(THETA, powers).reciprocal()
        places = torch.arange(side, device=device, dtype=torch.float32) * (trained_side / side)
        angles = places[:, None] * frequencies
        across, down = angles.repeat(side, 1), angles.repeat_interleave(side, 0)  # token by token, row by row
        both = torch.cat([across, down], dim=1)
        return cls(both.cos(), both.sin())

    def adjacent(self, x: Tensor) -> Tensor:
        """Turn `x` [..., side², D], whose pairs are adjacent channels, in float32."""
        first, second = x.float().reshape(*x.shape[:-1], -1, 2).unbind(-1)
        turned = torch.stack(self._turned(first, second), dim=-1)
        return turned.flatten(-2).to(x.dtype)

    def halves(self, x: Tensor) -> Tensor:
        """Turn `x` [..., side², D], whose pairs have one channel in each half, in float32."""
        return torch.cat(self._turned(*x.float().chunk(2, dim=-1)), dim=-1).to(x.dtype)

    def _turned(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        return (
            first * self.cosines - second * self.sines,
            first * self.sines + second * self.cosines,
        )


class FeedForward(nn.Module):
    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc2(functional.gelu(self.fc1(x)))
        return out


class RotaryBlock(nn.Module):
    """Maps [B, G, G, dim] to the same shape. `window` is the side of its attention's windows, 0 for the whole grid."""

    def __init__(self, dim: int, heads: int, hidden: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.norm1 = nn.LayerNorm(dim, EPS)
        self.attn = Attention(dim, dim, heads)
        self.norm2 = nn.LayerNorm(dim, EPS)
        self.mlp = FeedForward(dim, hidden)

    def forward(self, x: Tensor, rotation: Rotation) -> Tensor:
        attn = self.attn
        qkv = attn.qkv(self.norm1(x))
        x = x + attn.proj(attend(qkv, attn.qkv.bias, attn.heads, self.window, rotation.adjacent))
        return x + torch.as_tensor(self.mlp(self.norm2(x)))


def attend(qkv: Tensor, padding: Tensor, heads: int, window: int, turned: Callable[[Tensor], Tensor]) -> Tensor:
    """Attend in every window of a square grid `qkv` [B, G, G, 3 C] and return [B, G, G, C].

    `turned` rotates queries and keys [n, heads, T, D]. Padded tokens take part, as in `window_blocks.attend`:
    `padding` [3 C] are their queries, keys and values before the rotation.
    """
    grid = qkv.shape[1]
    side = window or grid
    q, k, v = (split_heads(part, heads) for part in split_windows(qkv, side, padding).chunk(3, -1))
    out = functional.scaled_dot_product_attention(turned(q), turned(k), v)
    return join_windows(out.transpose(1, 2).flatten(2), side, grid)
