"""Runs of set pixels of many masks at once, found in packed bits without a loop over runs or masks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.int64]
PIECE_BYTES = 2**20


def packed_bytes(pixels: int) -> int:
    """Return the bytes of one packed mask: whole words, with a zero bit after the last pixel so that every run ends."""
    return (pixels // 64 + 1) * 8


def pieces(bits: NDArray[np.uint8]) -> list[slice]:
    """Return slices of packed masks to process together, small enough that the intermediates stay in the cache."""
    count = max(1, PIECE_BYTES // bits.shape[1])
    return [slice(start, start + count) for start in range(0, len(bits), count)]


def pack_columns(columns: NDArray[np.bool_] | NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pack transposed masks, [n, width, height] in C order, into [n, packed_bytes]."""
    count, width, height = columns.shape
    bits = np.packbits(columns.reshape(count, width * height), axis=1)
    packed = np.zeros((count, packed_bytes(width * height)), dtype=np.uint8)
    packed[:, : bits.shape[1]] = bits
    return packed


@dataclass(frozen=True, slots=True)
class Runs:
    """All runs of `count` masks, mask after mask: `start` to `stop` (exclusive), in pixels down the columns.

    `size` is the masks' (height, width); `mask` is the number of each run's mask, ascending.
    """

    size: tuple[int, int]
    count: int
    mask: Positions
    start: Positions
    stop: Positions

    @classmethod
    def of_bits(cls, bits: NDArray[np.uint8], size: tuple[int, int]) -> Runs:
        """Find the runs of masks packed down the columns: [n, packed_bytes] uint8, first pixel in the highest bit.

        A pixel that differs from the previous one starts or stops a run. Words without such pixels are skipped, then
        bytes.
        """
        changes = bits ^ (bits >> np.uint8(1))
        changes[:, 1:] ^= bits[:, :-1] << np.uint8(7)
        changed_words = changes.reshape(-1).view(np.uint64)
        words = np.flatnonzero(changed_words != 0)
        octets = changed_words[words].view(np.uint8)
        touched = np.flatnonzero(octets != 0)
        places = np.flatnonzero(np.unpackbits(octets[touched]).view(bool))
        octet = touched[places >> 3]
        edges = (words[octet >> 3] * 8 + (octet & 7)) * 8 + (places & 7)
        mask, position = np.divmod(edges, bits.shape[1] * 8)
        return cls(size, len(bits), mask[::2], position[::2], position[1::2])

    def take(self, keep: NDArray[np.bool_]) -> Runs:
        """Return the runs of the masks with `keep` [count] set, renumbered from 0."""
        inside = keep[self.mask]
        number = np.cumsum(keep) - 1
        return Runs(self.size, int(keep.sum()), number[self.mask[inside]], self.start[inside], self.stop[inside])

    def placed(self, corner: tuple[int, int], size: tuple[int, int]) -> Runs:
        """Place the masks in a larger image of `size` (height, width), with the top left pixel at `corner` (x0, y0)."""
        x0, y0 = corner
        height = self.size[0]
        runs = self if size[0] == height else self.cut_at_columns()
        first_column, last_column = runs.start // height, (runs.stop - 1) // height
        step, corner_position = size[0] - height, x0 * size[0] + y0
        return Runs(
            size,
            self.count,
            runs.mask,
            runs.start + first_column * step + corner_position,
            runs.stop + last_column * step + corner_position,
        )

    def clipped(self, window: tuple[int, int, int, int]) -> Runs:
        """Return the pixels inside a window (x0, y0, x1, y1; maxima exclusive) of the image, in the same image."""
        x0, y0, x1, y1 = window
        height = self.size[0]
        runs = self.cut_at_columns()
        column = runs.start // height
        start = np.maximum(runs.start, column * height + y0)
        stop = np.minimum(runs.stop, column * height + y1)
        inside = (column >= x0) & (column < x1) & (start < stop)
        return Runs(self.size, self.count, runs.mask[inside], start[inside], stop[inside])

    def areas(self) -> Positions:
        """Return the number of set pixels of each mask."""
        lengths = np.concatenate([[0], np.cumsum(self.stop - self.start)])
        ends = np.searchsorted(self.mask, np.arange(self.count + 1))
        return np.asarray(np.diff(lengths[ends]))

    def boxes(self) -> Positions:
        """Return boxes [count, 4] (x0, y0, x1, y1) with inclusive maxima; zeros for an empty mask.

        A run that continues in the next column touches the bottom of the first column and the top of the next.
        """
        height = self.size[0]
        boxes = np.zeros((self.count, 4), dtype=np.int64)
        if not len(self.mask):
            return boxes
        (left, top), (right, bottom) = (np.divmod(pixels, height) for pixels in (self.start, self.stop - 1))
        crosses = right > left
        first = np.flatnonzero(np.diff(self.mask, prepend=-1))
        boxes[self.mask[first]] = np.stack(
            [
                np.minimum.reduceat(left, first),
                np.minimum.reduceat(np.where(crosses, 0, top), first),
                np.maximum.reduceat(right, first),
                np.maximum.reduceat(np.where(crosses, height - 1, bottom), first),
            ],
            axis=1,
        )
        return boxes

    def cut_at_columns(self) -> Runs:
        """Return the same pixels in runs that end with their column."""
        height = self.size[0]
        left, right = self.start // height, (self.stop - 1) // height
        pieces = right - left + 1
        run = np.repeat(np.arange(len(pieces)), pieces)
        column = np.arange(len(run)) - np.repeat(np.cumsum(pieces) - pieces, pieces) + left[run]
        start = np.maximum(self.start[run], column * height)
        stop = np.minimum(self.stop[run], (column + 1) * height)
        return Runs(self.size, self.count, self.mask[run], start, stop)
