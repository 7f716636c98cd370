"""SAM 3's image trunk, the perception encoder: a plain ViT with rotary positions, mostly in windows.

SAM 3 (arXiv 2511.16719), Perception Encoder (arXiv 2504.13181); layout and keys follow sam3/model/vitdet.py of
facebookresearch/sam3 with the sizes of sam3/model_builder.py, so its checkpoints load strictly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from samfleet_models.modeling.fusion import FusedLinear, fold_after_norm, fuse_after_norm, fuse_linear, normalised
from samfleet_models.modeling.image_encoders.rotary_blocks import EPS, RotaryBlock, Rotation, attend
from samfleet_models.modeling.image_encoders.window_blocks import PatchEmbed
from samfleet_models.modeling.image_encoders.window_blocks_fused import FusedPatches

PATCH = 14  # network input pixels per token


@dataclass(frozen=True, slots=True)
class PerceptionVitSizes:
    """Sizes of the trunk. `hidden` is the width of the feed-forward layers.

    Blocks attend in windows of `window` tokens per side, `global_blocks` over the whole grid. `position_grid` is the
    side of the learned position embeddings, which are repeated over the grid.
    """

    dim: int
    heads: int
    depth: int
    hidden: int
    window: int
    global_blocks: tuple[int, ...]
    position_grid: int

    @property
    def windows(self) -> tuple[int, ...]:
        """Window side of every block, 0 for the whole grid."""
        return tuple(0 if index in self.global_blocks else self.window for index in range(self.depth))


class PerceptionVit(nn.Module):
    """Maps [B, 3, S, S] to [B, dim, G, G] with G = S // 14.

    The first position embedding belongs to a class token that is not used here.
    """

    def __init__(self, sizes: PerceptionVitSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + sizes.position_grid**2, sizes.dim))
        self.patch_embed = PatchEmbed(sizes.dim, PATCH, PATCH, 0, bias=False)
        self.ln_pre = nn.LayerNorm(sizes.dim, EPS)
        self.blocks = nn.ModuleList(
            RotaryBlock(sizes.dim, sizes.heads, sizes.hidden, window) for window in sizes.windows
        )

    def forward(self, pixels: Tensor) -> Tensor:
        x: Tensor = self.patch_embed(pixels)
        x = self.ln_pre(x + self.positions(x.shape[1]))
        for block, rotation in zip(self.blocks, rotations(self.sizes, x), strict=True):
            x = block(x, rotation)
        return x.permute(0, 3, 1, 2)

    def positions(self, grid: int) -> Tensor:
        """Return [1, grid, grid, dim]: the learned embeddings, repeated right and down."""
        side = self.sizes.position_grid
        times = -(-grid // side)
        learned = self.pos_embed[:, 1:].view(1, side, side, -1)
        return learned.tile(1, times, times, 1)[:, :grid, :grid]


class FusedRotaryBlock(nn.Module):
    """A RotaryBlock for inference: its LayerNorms are folded into the layers after them.

    Queries and keys have the first channels of all pairs before the second ones. Their products do not depend on the
    order of channels, and halves turn faster than adjacent channels.
    """

    padding: Tensor

    def __init__(self, block: RotaryBlock) -> None:
        super().__init__()
        self.heads, self.window = block.attn.heads, block.window
        weight, bias = fold_after_norm(block.norm1, block.attn.qkv)
        order = halved_pairs(len(bias) // 3, self.heads).to(bias.device)
        self.qkv = FusedLinear(weight[order], bias[order])
        self.register_buffer("padding", block.attn.qkv.bias.detach()[order])
        self.proj = fuse_linear(block.attn.proj)
        self.widen = fuse_after_norm(block.norm2, block.mlp.fc1, "gelu")
        self.narrow = fuse_linear(block.mlp.fc2)

    def forward(self, x: Tensor, rotation: Rotation) -> Tensor:
        mixed = attend(self.qkv(normalised(x, EPS)), self.padding, self.heads, self.window, rotation.halves)
        x = self.proj(mixed, add=x)
        out: Tensor = self.narrow(self.widen(normalised(x, EPS)), add=x)
        return out


class FusedPerceptionVit(nn.Module):
    """`trunk` fused from its current parameters, for inputs of `input_size` pixels per side."""

    gain: Tensor
    shift: Tensor

    def __init__(self, trunk: PerceptionVit, input_size: int) -> None:
        super().__init__()
        self.sizes = trunk.sizes
        self.patches = FusedPatches(trunk.patch_embed, trunk.positions(input_size // PATCH))
        self.register_buffer("gain", trunk.ln_pre.weight.detach())
        self.register_buffer("shift", trunk.ln_pre.bias.detach())
        self.blocks = nn.ModuleList(FusedRotaryBlock(cast("RotaryBlock", block)) for block in trunk.blocks)

    def forward(self, pixels: Tensor) -> Tensor:
        x = functional.layer_norm(self.patches(pixels), self.gain.shape, self.gain, self.shift, EPS)
        for block, rotation in zip(self.blocks, rotations(self.sizes, x), strict=True):
            x = block(x, rotation)
        return x.permute(0, 3, 1, 2)


def rotations(sizes: PerceptionVitSizes, tokens: Tensor) -> list[Rotation]:
    """Return the rotation of every block for `tokens` [B, G, G, dim]: one object for all blocks of the same window."""
    channels, grid = sizes.dim // sizes.heads, tokens.shape[1]
    made = {
        window: Rotation.of(window or grid, sizes.window, channels, tokens.device)
        for window in dict.fromkeys(sizes.windows)
    }
    return [made[window] for window in sizes.windows]


def halved_pairs(channels: int, heads: int) -> Tensor:
    """Return the order [3 * channels] of queries, keys and values in which pairs of the first two become halves."""
    place = torch.arange(channels).view(heads, -1, 2).transpose(1, 2).flatten()  # per head: even places, odd places
    return torch.cat([place, channels + place, 2 * channels + torch.arange(channels)])
