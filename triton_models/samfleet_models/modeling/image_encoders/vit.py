"""SAM's plain vision transformer: attention in windows of 14, four blocks over the whole grid, then SAM's neck.

Segment Anything (arXiv 2304.02643), ViTDet (arXiv 2203.16527); layout and keys follow segment_anything/modeling/
image_encoder.py of facebookresearch/segment-anything, so its checkpoints load strictly. SAM-HQ (arXiv 2306.01567) runs
the same encoder and also reads one block's output; SlimSAM (arXiv 2312.05284) has narrower layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from samfleet_models.modeling.common import LayerNorm2d

PATCH = 16
EMBEDDING_CHANNELS = 256
EPS = 1e-6


@dataclass(frozen=True, slots=True)
class VitSizes:
    """Sizes of a ViT. `global_blocks` attend over the whole grid, others in windows of `window_size` tokens per side.

    `intermediate` is the block whose output the encoder also returns, None for no such output.
    """

    embed_dim: int
    depth: int
    num_heads: int
    mlp_dim: int
    global_blocks: tuple[int, ...]
    window_size: int = 14
    intermediate: int | None = None


class PatchEmbed(nn.Module):
    """Maps [B, 3, S, S] to tokens [B, S/16, S/16, C]."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, PATCH, stride=PATCH)

    def forward(self, pixels: Tensor) -> Tensor:
        tokens: Tensor = self.proj(pixels)
        return tokens.permute(0, 2, 3, 1)


class Attention(nn.Module):
    """Attention among the tokens of a square of `side` per side, with learned biases by row and column distance.

    Without a `side` there are no such biases, and the grid may have any size.
    """

    def __init__(self, dim: int, heads: int, side: int | None) -> None:
        super().__init__()
        self.heads = heads
        self.side = side
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        if side is not None:
            self.rel_pos_h = nn.Parameter(torch.zeros(2 * side - 1, dim // heads))
            self.rel_pos_w = nn.Parameter(torch.zeros(2 * side - 1, dim // heads))

    def tables(self) -> tuple[Tensor, Tensor] | None:
        """Return the tables [side, side, d] for rows and columns.

        They are the vectors that a query at the first index is multiplied with for a key at the second.
        """
        if self.side is None:
            return None
        places = torch.arange(self.side, device=self.rel_pos_h.device)
        distances = places[:, None] - places + self.side - 1
        return self.rel_pos_h[distances], self.rel_pos_w[distances]

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, H, W, C] to the same shape. The biases use unscaled queries."""
        qkv = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(3, 0, 4, 1, 2, 5)
        q, k, v = qkv.unbind(0)  # [B, heads, H, W, d]
        bias, tables = None, self.tables()
        if tables is not None:
            rows = torch.einsum("bnyxd,ykd->bnyxk", q, tables[0])
            columns = torch.einsum("bnyxd,xkd->bnyxk", q, tables[1])
            bias = (rows[..., :, None] + columns[..., None, :]).flatten(4, 5).flatten(2, 3)
        q, k, v = (part.flatten(2, 3) for part in (q, k, v))
        out = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        joined: Tensor = self.proj(out.transpose(1, 2).reshape(x.shape))
        return joined


class FeedForward(nn.Module):
    """Widens and narrows with GELU in between; the two layers have their official names."""

    def __init__(self, dim: int, hidden: int, names: tuple[str, str]) -> None:
        super().__init__()
        self.add_module(names[0], nn.Linear(dim, hidden))
        self.add_module(names[1], nn.Linear(hidden, dim))

    def layers(self) -> tuple[nn.Linear, nn.Linear]:
        widen, narrow = self.children()
        return cast("nn.Linear", widen), cast("nn.Linear", narrow)

    def forward(self, x: Tensor) -> Tensor:
        widen, narrow = self.layers()
        out: Tensor = narrow(functional.gelu(widen(x)))
        return out


class VitBlock(nn.Module):
    """Attention and feed-forward on [B, H, W, C]; `window` 0 means the whole grid."""

    def __init__(self, attention: Attention, mlp: FeedForward, window: int) -> None:
        super().__init__()
        dim = attention.proj.out_features
        self.window = window
        self.norm1 = nn.LayerNorm(dim, eps=EPS)
        self.attn = attention
        self.norm2 = nn.LayerNorm(dim, eps=EPS)
        self.mlp = mlp

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm1(x)
        x = x + (self._in_windows(normed) if self.window else self.attn(normed))
        out: Tensor = x + self.mlp(self.norm2(x))
        return out

    def _in_windows(self, x: Tensor) -> Tensor:
        """Attend in windows.

        The normalised grid is zero-padded on the right and bottom; padding tokens act as biases.
        """
        height, width = x.shape[1:3]
        side = self.window
        x = functional.pad(x, (0, 0, 0, -width % side, 0, -height % side))
        return from_windows(self.attn(to_windows(x, side)), x.shape)[:, :height, :width]


def to_windows(x: Tensor, side: int) -> Tensor:
    """Split [B, H, W, C] into [windows, side, side, C], row by row per image."""
    batch, height, width, numbers = x.shape
    parts = x.reshape(batch, height // side, side, width // side, side, numbers)
    return parts.transpose(2, 3).reshape(-1, side, side, numbers)


def from_windows(windows: Tensor, shape: torch.Size) -> Tensor:
    """Join `windows` [windows, side, side, any] into [B, H, W, any] of the grid's `shape`."""
    side = windows.shape[1]
    batch, height, width, _ = shape
    parts = windows.reshape(batch, height // side, width // side, side, side, -1)
    return parts.transpose(2, 3).reshape(batch, height, width, -1)


def sam_neck(dim: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(dim, EMBEDDING_CHANNELS, 1, bias=False),
        LayerNorm2d(EMBEDDING_CHANNELS),
        nn.Conv2d(EMBEDDING_CHANNELS, EMBEDDING_CHANNELS, 3, padding=1, bias=False),
        LayerNorm2d(EMBEDDING_CHANNELS),
    )


class Vit(nn.Module):
    """Image encoder: maps [B, 3, S, S] to [B, 256, S/16, S/16], and with `intermediate` also to [B, C, S/16, S/16]."""

    def __init__(self, sizes: VitSizes, grid: int) -> None:
        super().__init__()
        self.intermediate = sizes.intermediate
        self.patch_embed = PatchEmbed(sizes.embed_dim)
        self.pos_embed = nn.Parameter(torch.zeros(1, grid, grid, sizes.embed_dim))
        self.blocks = nn.ModuleList(_block(sizes, index, grid) for index in range(sizes.depth))
        self.neck = sam_neck(sizes.embed_dim)

    def positions(self, _grid: int) -> Tensor:
        """Return [1, S/16, S/16, C], which is added to the tokens."""
        return self.pos_embed

    def forward(self, pixels: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        x = self.patch_embed(pixels)
        x = x + self.positions(x.shape[1])
        kept = None
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index == self.intermediate:
                kept = x.permute(0, 3, 1, 2)
        embedding: Tensor = self.neck(x.permute(0, 3, 1, 2))
        return embedding if kept is None else (embedding, kept)


def _block(sizes: VitSizes, index: int, grid: int) -> VitBlock:
    window = 0 if index in sizes.global_blocks else sizes.window_size
    attention = Attention(sizes.embed_dim, sizes.num_heads, window or grid)
    return VitBlock(attention, FeedForward(sizes.embed_dim, sizes.mlp_dim, ("lin1", "lin2")), window)


def build_vit(architecture: Mapping[str, object], input_size: int) -> nn.Module:
    """Build the encoder of a record's `architecture` for square inputs of `input_size`, which fixes its positions."""
    return Vit(vit_sizes(architecture), input_size // PATCH)


def vit_sizes(architecture: Mapping[str, object]) -> VitSizes:
    return VitSizes(**cast("dict[str, Any]", dict(architecture)))
