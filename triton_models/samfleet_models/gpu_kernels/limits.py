"""The sizes of the kernels' blocks, and whether a multiprocessor has the memory for them. Needs no Triton."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from samfleet_models.modeling.transformer import HEADS

LARGEST_TOKENS = 16  # of a prompt, the decoder's own included; beyond them the gathered factors need too many registers
SHARED_BYTES = 163 * 1024  # of a program on an A100; an H100 has 227 KB
REGISTER_BYTES = 256 * 1024  # of a multiprocessor, on both
CHANNELS = 128  # of a table
LEAST_TILE = 16  # columns of the matrix instructions


@dataclass(frozen=True, slots=True)
class Blocks:
    """Image tokens of a tile, warps of a program, and stages of its loop's loads."""

    tile: int
    warps: int
    stages: int

    @classmethod
    def default(cls, tokens: int, number_bytes: int) -> Blocks:
        """Return the blocks for prompts of `tokens`, whose operands have `number_bytes` each."""
        if block_of(tokens) == LARGEST_TOKENS:
            return cls(tile=64 // number_bytes, warps=16, stages=1)
        return cls(tile=128 // number_bytes, warps=8, stages=1)

    @classmethod
    def candidates(cls, tokens: int, number_bytes: int, most: int = SHARED_BYTES) -> list[Self]:
        """Return the blocks to choose from, the default first, that need at most `most` bytes of shared memory."""
        default = cls.default(tokens, number_bytes)
        tiles = (default.tile, default.tile // 2, 2 * default.tile)
        every = [cls(tile, warps, default.stages) for tile in tiles for warps in (default.warps, default.warps // 2)]
        return [
            blocks
            for blocks in every
            if blocks.tile >= LEAST_TILE and blocks.shared_bytes(tokens, number_bytes) <= most
        ]

    def shared_bytes(self, tokens: int, number_bytes: int) -> int:
        """Return an upper bound of the shared memory of a sweep's program.

        That is two matrices of a prompt and four image tables, which the compiler holds at a time. It was compared
        with the figures of the compiler for an A100 and an H100; compiling needs no GPU.
        """
        rows = HEADS * block_of(tokens)
        return self.stages * number_bytes * (2 * rows * rows + 4 * CHANNELS * self.tile)

    def state_bytes(self, tokens: int) -> int:
        """Return the registers that the third sweep keeps from tile to tile: gathered factors and attended values."""
        rows = HEADS * block_of(tokens)
        return 4 * rows * (2 * rows + CHANNELS // HEADS + 3)  # and greatest logit, total, factor of the constant


DRAWING = Blocks(tile=16, warps=8, stages=1)
DRAWING_CANDIDATES = (DRAWING, Blocks(16, 4, 1), Blocks(32, 8, 1))
DRAWN_ROWS = 32  # of the factors that a step of drawing takes


def drawing_bytes(blocks: Blocks, number_bytes: int) -> int:
    """Return an upper bound of the shared memory of a drawing program.

    That is, of a tile, all channels of the first convolution and all features, and the matrix of the second.
    """
    return 4 * blocks.tile * (256 + 512) + number_bytes * (64 * 128 + 2 * DRAWN_ROWS * 256)


def block_of(tokens: int) -> int:
    """Return the rows that `tokens` take in a block: the next power of two."""
    return 1 << (tokens - 1).bit_length()
