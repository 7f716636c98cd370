"""Joins the masks of one object that several tiles show in part.

- A mask is *cut* if its box is closer to a side of its tile, other than an edge of the image, than one cell of
  the network's low-resolution mask: 1/256 of the tile's longer side, rounded up.
- A cut mask is dropped if its box lies in another tile and is not cut there: that tile shows the object whole.
- Of two tiles, two masks of which at least one is cut *agree* if their IoU inside both tiles is at least `JOIN_IOU`.
- Agreeing masks are joined, those with the highest IoU first, unless the parts of both already have a mask of the same
  tile: one tile shows an object once. Equal IoU: the masks of earlier tiles first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from samfleet.masks.record import MaskRecord
from samfleet.masks.run_sets import runs_of_code, shared_pixels
from samfleet.masks.runs import Runs
from samfleet.variants.tiling import Window

JOIN_IOU = 0.5
CELLS = 256  # of the low-resolution mask along the longer side of a tile
CACHED_MASKS = 4096  # with runs of some kilobytes each

Boxes = NDArray[np.int64]  # [n, 4] x0, y0, x1, y1, maxima exclusive


@dataclass(frozen=True, slots=True)
class TileMask:
    """A mask of a tile. `box` is in pixels of the whole image, `record` in those of the tile."""

    tile: int
    record: MaskRecord
    box: Window

    @classmethod
    def of(cls, tile: int, window: Window, record: MaskRecord) -> TileMask:
        x, y, width, height = (int(value) for value in record.bbox)
        left, top = window[0] + x, window[1] + y
        return cls(tile, record, (left, top, left + width + 1, top + height + 1))


class SeamJoiner:
    """Groups the masks of an image of `size` (height, width); each group is one object.

    Runs of a mask are decoded when they are needed, and only some are kept: memory does not grow with the masks.
    """

    def __init__(self, size: tuple[int, int], windows: Sequence[Window], masks: Sequence[TileMask]) -> None:
        self._size = size
        self._windows: Boxes = np.array(windows, dtype=np.int64).reshape(-1, 4)
        self._whole = self._inner(self._windows)
        boxes: Boxes = np.array([mask.box for mask in masks], dtype=np.int64).reshape(-1, 4)
        tiles = np.array([mask.tile for mask in masks], dtype=np.int64)
        cut = ~_within(boxes, self._whole[tiles])
        shown = np.array(
            [not (is_cut and self._is_whole_elsewhere(box)) for box, is_cut in zip(boxes, cut, strict=True)]
        )
        kept = np.flatnonzero(shown)
        self.masks = [masks[place] for place in kept]
        self._boxes, self._tiles, self._cut = boxes[kept], tiles[kept], cut[kept]
        self.runs = lru_cache(CACHED_MASKS)(self._runs)

    def groups(self) -> list[list[int]]:
        """Return the numbers of the masks of each object, objects by their first mask."""
        group = list(range(len(self.masks)))
        members = {place: [place] for place in group}
        agreeing = sorted(self._agreeing(), key=lambda pair: (-pair[0], pair[1], pair[2]))
        for _, first, second in agreeing:
            one, other = sorted((group[first], group[second]))
            tiles_of = [{self.masks[place].tile for place in members[which]} for which in (one, other)]
            if one == other or tiles_of[0] & tiles_of[1]:
                continue
            for place in members[other]:
                group[place] = one
            members[one] += members.pop(other)
        return [sorted(members[place]) for place in sorted(members)]

    def _runs(self, place: int) -> Runs:
        mask = self.masks[place]
        left, top = self._windows[mask.tile][:2]
        return runs_of_code(mask.record.counts, mask.record.size).placed((int(left), int(top)), self._size)

    def _inner(self, windows: Boxes) -> Boxes:
        """Return what remains of each window without the strips in which masks count as cut."""
        height, width = self._size
        sides = (windows[:, 2:] - windows[:, :2]).max(axis=1)
        cell = -(-sides // CELLS)
        inner = windows.copy()
        inner[:, 0] += np.where(windows[:, 0] > 0, cell, 0)
        inner[:, 1] += np.where(windows[:, 1] > 0, cell, 0)
        inner[:, 2] -= np.where(windows[:, 2] < width, cell, 0)
        inner[:, 3] -= np.where(windows[:, 3] < height, cell, 0)
        return inner

    def _is_whole_elsewhere(self, box: NDArray[np.int64]) -> bool:
        return bool(_within(box[None], self._whole).any())

    def _agreeing(self) -> Iterator[tuple[float, int, int]]:
        """Yield the IoU and the numbers of masks that agree, one of which is cut."""
        by_tile = [np.flatnonzero(self._tiles == tile) for tile in range(len(self._windows))]
        for tile, window in enumerate(self._windows):
            low = np.maximum(self._windows[:, :2], window[:2])
            high = np.minimum(self._windows[:, 2:], window[2:])
            for other in np.flatnonzero((low < high).all(axis=1)):
                if other > tile:
                    (x0, y0), (x1, y1) = low[other].tolist(), high[other].tolist()
                    yield from self._agreeing_in((x0, y0, x1, y1), by_tile[tile], by_tile[other])

    def _agreeing_in(
        self, shared: Window, first: NDArray[np.int64], second: NDArray[np.int64]
    ) -> Iterator[tuple[float, int, int]]:
        left, right = self._parts_in(shared, first), self._parts_in(shared, second)
        for one, (part, area) in left.items():
            for other, (its_part, its_area) in right.items():
                most = min(area, its_area) / max(area, its_area)
                if most < JOIN_IOU or not (self._cut[one] or self._cut[other]):
                    continue
                overlap = shared_pixels(part, its_part)
                iou = overlap / (area + its_area - overlap)
                if iou >= JOIN_IOU:
                    yield iou, one, other

    def _parts_in(self, window: Window, masks: NDArray[np.int64]) -> dict[int, tuple[Runs, int]]:
        """Return the part of each mask inside the window, with its pixels; masks without such a part are left out."""
        boxes = self._boxes[masks]
        near = ((boxes[:, :2] < window[2:]) & (boxes[:, 2:] > window[:2])).all(axis=1)
        parts = {int(place): self.runs(int(place)).clipped(window) for place in masks[near]}
        return {place: (part, int(part.areas()[0])) for place, part in parts.items() if len(part.start)}


def _within(boxes: Boxes, others: Boxes) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = ((boxes[:, :2] >= others[:, :2]) & (boxes[:, 2:] <= others[:, 2:])).all(axis=1)
    return inside
