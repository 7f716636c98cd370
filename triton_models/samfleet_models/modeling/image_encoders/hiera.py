"""Hiera as used by SAM 2: four stages of transformer blocks, each at half the grid of the one before.

Hiera (arXiv 2306.00989), its position embeddings in windows (arXiv 2311.05613), SAM 2 (arXiv 2408.00714); layout and
keys follow sam2/modeling/backbones/hieradet.py of facebookresearch/sam2, so its checkpoints load strictly.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor, nn
from torch.nn import functional

from samfleet_models.modeling.image_encoders.window_blocks import PatchEmbed, WindowBlock

KERNEL, STRIDE, PADDING = 7, 4, 3


@dataclass(frozen=True, slots=True)
class HieraSizes:
    """Sizes of Hiera. `embed_dim` and `heads` are the first stage's and double with each stage; `stages` counts blocks.

    `window_spec` has each stage's window side, `global_att_blocks` the blocks that attend over the whole grid instead,
    `position_grid` the side of the learned position embeddings before they are scaled to the grid.
    """

    embed_dim: int
    heads: int
    stages: tuple[int, ...]
    global_att_blocks: tuple[int, ...]
    window_spec: tuple[int, ...]
    position_grid: int

    @property
    def ends(self) -> tuple[int, ...]:
        """Index of the last block of every stage."""
        return tuple(count - 1 for count in accumulate(self.stages))

    @property
    def channels(self) -> tuple[int, ...]:
        return tuple(self.embed_dim * 2**stage for stage in range(len(self.stages)))


class Hiera(nn.Module):
    """Maps [B, 3, S, S] to the features of all stages: [B, C, S/4, S/4] first, each later one at half the grid."""

    def __init__(self, sizes: HieraSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.pos_embed = nn.Parameter(torch.zeros(1, sizes.embed_dim, sizes.position_grid, sizes.position_grid))
        window = sizes.window_spec[0]
        self.pos_embed_window = nn.Parameter(torch.zeros(1, sizes.embed_dim, window, window))
        self.patch_embed = PatchEmbed(sizes.embed_dim, KERNEL, STRIDE, PADDING)
        self.blocks = nn.ModuleList(_blocks(sizes))

    def forward(self, pixels: Tensor) -> list[Tensor]:
        x = self.patch_embed(pixels)
        return run_stages(self.blocks, self.sizes.ends, x + self.positions(x.shape[1]))

    def positions(self, grid: int) -> Tensor:
        """Return [1, grid, grid, C]: an embedding scaled to the grid, plus one per window of the first stage."""
        window = self.pos_embed_window
        times = grid // window.shape[-1]
        scaled = functional.interpolate(self.pos_embed, size=(grid, grid), mode="bicubic")
        return (scaled + window.tile(1, 1, times, times)).permute(0, 2, 3, 1)


def run_stages(blocks: nn.ModuleList, ends: tuple[int, ...], tokens: Tensor) -> list[Tensor]:
    """Run `tokens` [B, G, G, C] through the blocks and return the output [B, C, G, G] of each block in `ends`."""
    features = []
    for index, block in enumerate(blocks):
        tokens = block(tokens)
        if index in ends:
            features.append(tokens.permute(0, 3, 1, 2))
    return features


def _blocks(sizes: HieraSizes) -> list[WindowBlock]:
    """Make the blocks.

    A stage's first block uses the window side of the stage before, because it halves the windows with the grid.
    """
    blocks: list[WindowBlock] = []
    inner = sizes.embed_dim
    for stage, (count, outer) in enumerate(zip(sizes.stages, sizes.channels, strict=True)):
        for place in range(count):
            side = sizes.window_spec[max(stage - 1, 0) if place == 0 else stage]
            window = 0 if len(blocks) in sizes.global_att_blocks else side
            blocks.append(WindowBlock(inner, outer, sizes.heads * 2**stage, window))
            inner = outer
    return blocks
