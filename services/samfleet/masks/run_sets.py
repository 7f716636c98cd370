"""Intersection and union of masks as sorted runs of pixels, without drawing them.

Each `Runs` here has one mask, and both operands lie in the same image.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from samfleet.masks.rle import run_lengths
from samfleet.masks.runs import Positions, Runs


def runs_of_code(counts: str, size: tuple[int, int]) -> Runs:
    """Return the runs of one mask from its COCO compressed RLE; `size` is (height, width)."""
    edges = np.cumsum(run_lengths(counts))
    start, stop = edges[0::2][: len(edges) // 2], edges[1::2]
    some = stop > start
    return Runs(size, 1, np.zeros(int(some.sum()), np.int64), start[some], stop[some])


def drawn_in_box(mask: Runs) -> tuple[NDArray[np.bool_], tuple[int, int]]:
    """Draw a mask no larger than its box: [height, width], and the (x, y) of its top left pixel.

    An empty mask gives an array without pixels.
    """
    if not len(mask.start):
        return np.zeros((0, 0), dtype=bool), (0, 0)
    left, top, right, bottom = mask.boxes()[0].tolist()
    return drawn_in(mask, (left, top, right + 1, bottom + 1)), (left, top)


def drawn_in(mask: Runs, window: tuple[int, int, int, int]) -> NDArray[np.bool_]:
    """Draw the part of a mask inside a window (x0, y0, x1, y1; maxima exclusive) of the image: [height, width]."""
    left, top, right, bottom = window
    height, width = bottom - top, right - left
    inside = mask.clipped(window)
    if not len(inside.start):  # as in most bands of a large image, where the sum below would take ten times longer
        return np.zeros((height, width), dtype=np.bool_)
    column, row = np.divmod(inside.start, mask.size[0])
    start = (column - left) * height + row - top
    edges = np.zeros(height * width + 1, dtype=np.int8)
    edges[start] = 1
    edges[start + inside.stop - inside.start] -= 1  # a run may start where the one in the column before stops
    return np.cumsum(edges[:-1], dtype=np.int8).view(np.bool_).reshape(width, height).T


def sampled(mask: Runs, rows: Positions, columns: Positions) -> Runs:
    """Return the mask of the pixels at `rows` and `columns`, both ascending: [len(rows), len(columns)]."""
    cut = mask.cut_at_columns()
    height, count = mask.size[0], len(rows)
    column, top = np.divmod(cut.start, height)
    first, last = np.searchsorted(rows, top), np.searchsorted(rows, top + cut.stop - cut.start)
    left, right = np.searchsorted(columns, column), np.searchsorted(columns, column, side="right")
    repeats = np.where(last > first, right - left, 0)
    run = np.repeat(np.arange(len(repeats)), repeats)
    place = np.arange(len(run)) - np.repeat(np.cumsum(repeats) - repeats, repeats) + left[run]
    order = np.argsort(place * count + first[run], kind="stable")
    start, stop = (place * count + edge[run] for edge in (first, last))
    return Runs((count, len(columns)), 1, np.zeros(len(run), np.int64), start[order], stop[order])


def shared_pixels(first: Runs, second: Runs) -> int:
    """Return the number of pixels that are set in both masks."""
    if not len(first.start) or not len(second.start):
        return 0
    before = np.concatenate([[0], np.cumsum(second.stop - second.start)])
    return int((_pixels_up_to(first.stop, second, before) - _pixels_up_to(first.start, second, before)).sum())


def union(masks: Sequence[Runs]) -> Runs:
    """Return the mask of all pixels that are set in any mask. Runs that touch become one."""
    start = np.concatenate([mask.start for mask in masks])
    stop = np.concatenate([mask.stop for mask in masks])
    order = np.argsort(start, kind="stable")
    start, reached = start[order], np.maximum.accumulate(stop[order])
    opens = np.ones(len(start), dtype=bool)
    opens[1:] = start[1:] > reached[:-1]
    closes = np.append(opens[1:], True)[: len(start)]
    return Runs(masks[0].size, 1, np.zeros(int(opens.sum()), np.int64), start[opens], reached[closes])


def _pixels_up_to(positions: Positions, mask: Runs, before: Positions) -> Positions:
    """Return how many pixels of the mask lie before each position; `before` has those of all earlier runs."""
    run = np.searchsorted(mask.start, positions, side="left") - 1  # the last that starts earlier
    last = np.maximum(run, 0)
    inside = np.minimum(positions, mask.stop[last]) - mask.start[last]
    return np.where(run < 0, 0, before[last] + inside)
