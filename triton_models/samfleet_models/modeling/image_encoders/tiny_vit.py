"""MobileSAM's TinyViT: convolutions, then three stages of windowed attention, then SAM's neck.

TinyViT (arXiv 2207.10666), MobileSAM (arXiv 2306.14289); layout and keys follow mobile_sam/modeling/tiny_vit_sam.py of
ChaoningZhang/MobileSAM, so its checkpoint loads strictly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from samfleet_models.modeling.common import LayerNorm2d

EMBEDDING_CHANNELS = 256
CLASSES = 1000


@dataclass(frozen=True, slots=True)
class TinyVitSizes:
    """Sizes per stage: channels, blocks, heads and window side. Stage 0 is convolutional and uses no heads or window.

    `intermediate` is the stage whose output the encoder also returns, None for no such output. `last_stride` is the
    step from the third stage to the last: MobileSAM keeps the last stage at 1/16 of the input.
    """

    embed_dims: tuple[int, ...]
    depths: tuple[int, ...]
    num_heads: tuple[int, ...]
    window_sizes: tuple[int, ...]
    intermediate: int | None = None
    last_stride: int = 1


class ConvNorm(nn.Sequential):
    """Convolution without bias and its batch normalisation, under the official keys `c` and `bn`."""

    def __init__(self, inner: int, outer: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.add_module("c", nn.Conv2d(inner, outer, kernel, stride, kernel // 2, groups=groups, bias=False))
        self.add_module("bn", nn.BatchNorm2d(outer))


class PatchEmbed(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.seq = nn.Sequential(ConvNorm(3, dim // 2, 3, stride=2), nn.GELU(), ConvNorm(dim // 2, dim, 3, stride=2))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.seq(x)
        return out


class MBConv(nn.Module):
    """Inverted residual block: widen by four, depth-wise 3x3, narrow."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        hidden = 4 * dim
        self.conv1 = ConvNorm(dim, hidden)
        self.conv2 = ConvNorm(hidden, hidden, 3, groups=hidden)
        self.conv3 = ConvNorm(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv3(functional.gelu(self.conv2(functional.gelu(self.conv1(x)))))
        return functional.gelu(out + x)


class PatchMerging(nn.Module):
    """Widens the channels; halves the grid unless `stride` is 1."""

    def __init__(self, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(inner, outer)
        self.conv2 = ConvNorm(outer, outer, 3, stride=stride, groups=outer)
        self.conv3 = ConvNorm(outer, outer)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv3(functional.gelu(self.conv2(functional.gelu(self.conv1(x)))))
        return out


class WindowAttention(nn.Module):
    """Attention inside one window with a learned bias per head and distance (|dy|, |dx|).

    The bias table is gathered at every call. The official module keeps the gathered copy in a buffer that only `eval()`
    refreshes, so weights loaded afterwards are silently ignored.
    """

    attention_bias_idxs: Tensor

    def __init__(self, dim: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.attention_biases = nn.Parameter(torch.zeros(heads, window * window))
        side = torch.arange(window)
        distance = (side[:, None] - side[None, :]).abs()  # [window, window]
        index = distance[:, None, :, None] * window + distance[None, :, None, :]  # [y, x, y', x']
        index = index.reshape(window * window, window * window)
        self.register_buffer("attention_bias_idxs", index, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map [windows, tokens, dim] to the same shape."""
        qkv = self.qkv(self.norm(x)).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # head by head: q, k, v
        q, k, v = qkv.chunk(3, dim=-1)
        bias = self.attention_biases[:, self.attention_bias_idxs].unsqueeze(0)  # [1, heads, tokens, tokens]
        out = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        joined: Tensor = self.proj(out.transpose(1, 2).flatten(2))
        return joined


class FeedForward(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fc1 = nn.Linear(dim, 4 * dim)
        self.fc2 = nn.Linear(4 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc2(functional.gelu(self.fc1(self.norm(x))))
        return out


class TinyVitBlock(nn.Module):
    """Windowed attention, depth-wise convolution, feed-forward, on [B, C, H, W]."""

    def __init__(self, dim: int, heads: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.attn = WindowAttention(dim, heads, window)
        self.mlp = FeedForward(dim)
        self.local_conv = ConvNorm(dim, dim, 3, groups=dim)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self._attend(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        x = self.local_conv(x)
        mixed: Tensor = self.mlp(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return x + mixed

    def _attend(self, x: Tensor) -> Tensor:
        """Attend in windows of [B, H, W, C].

        The grid is padded with zeros on the right and bottom before the attention's own normalisation, so padded tokens
        take part in the softmax, as in training.
        """
        batch, height, width, channels = x.shape
        side = self.window
        x = functional.pad(x, (0, 0, 0, -width % side, 0, -height % side))
        rows, columns = x.shape[1] // side, x.shape[2] // side
        windows = x.reshape(batch, rows, side, columns, side, channels).transpose(2, 3)
        windows = self.attn(windows.reshape(-1, side * side, channels))
        x = windows.reshape(batch, rows, columns, side, side, channels).transpose(2, 3)
        return x.reshape(batch, rows * side, columns * side, channels)[:, :height, :width]


class Stage(nn.Module):
    """Blocks, then the merging that leads to the next stage (None after the last)."""

    def __init__(self, blocks: Sequence[nn.Module], downsample: PatchMerging | None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x if self.downsample is None else self.downsample(x)


class TinyVitTrunk(nn.Module):
    """The stages alone: maps [B, 3, S, S] to [B, C, G, G] with a last stage of C channels."""

    def __init__(self, sizes: TinyVitSizes) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed(sizes.embed_dims[0])
        self.layers = nn.ModuleList(_stage(sizes, index) for index in range(len(sizes.embed_dims)))

    def forward(self, pixels: Tensor) -> Tensor:
        x: Tensor = self.patch_embed(pixels)
        for layer in self.layers:
            x = layer(x)
        return x


class TinyVit(nn.Module):
    """Image encoder: maps [B, 3, S, S] to [B, 256, S/16, S/16].

    With `intermediate` it also returns a stage's output [B, C, H, W]. `norm_head` and `head` classify ImageNet in the
    backbone's pre-training and are never run here; their keys belong to the checkpoint.
    """

    def __init__(self, sizes: TinyVitSizes) -> None:
        super().__init__()
        dims = sizes.embed_dims
        self.intermediate = sizes.intermediate
        self.patch_embed = PatchEmbed(dims[0])
        self.layers = nn.ModuleList(_stage(sizes, index) for index in range(len(dims)))
        self.norm_head = nn.LayerNorm(dims[-1])
        self.head = nn.Linear(dims[-1], CLASSES)
        self.neck = nn.Sequential(
            nn.Conv2d(dims[-1], EMBEDDING_CHANNELS, 1, bias=False),
            LayerNorm2d(EMBEDDING_CHANNELS),
            nn.Conv2d(EMBEDDING_CHANNELS, EMBEDDING_CHANNELS, 3, padding=1, bias=False),
            LayerNorm2d(EMBEDDING_CHANNELS),
        )

    def forward(self, pixels: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        x = self.patch_embed(pixels)
        kept = None
        for index, layer in enumerate(self.layers):
            x = layer(x)
            if index == self.intermediate:
                kept = x
        embedding: Tensor = self.neck(x)
        return embedding if kept is None else (embedding, kept)


def _stage(sizes: TinyVitSizes, index: int) -> Stage:
    dims = sizes.embed_dims
    dim, depth, last = dims[index], sizes.depths[index], len(dims) - 1
    blocks: list[nn.Module] = (
        [MBConv(dim) for _ in range(depth)]
        if index == 0
        else [TinyVitBlock(dim, sizes.num_heads[index], sizes.window_sizes[index]) for _ in range(depth)]
    )
    if index == last:
        return Stage(blocks, None)
    stride = sizes.last_stride if index + 1 == last else 2
    return Stage(blocks, PatchMerging(dim, dims[index + 1], stride))


def build_tiny_vit(architecture: Mapping[str, object], input_size: int) -> nn.Module:
    """Build the encoder of a record's `architecture`. Any square input fits; `input_size` is unused."""
    del input_size
    return TinyVit(tiny_vit_sizes(architecture))


def tiny_vit_sizes(architecture: Mapping[str, object]) -> TinyVitSizes:
    return TinyVitSizes(**cast("dict[str, Any]", dict(architecture)))
