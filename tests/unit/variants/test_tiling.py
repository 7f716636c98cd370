from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from samfleet.variants.task import TaskInvalid
from samfleet.variants.tiling import ImageTooManyTiles, Tiling, split_tile


@pytest.mark.parametrize("size", [(257, 256), (1000, 300), (899, 901), (5000, 200)])
@pytest.mark.parametrize("overlap", [8, 64, 128])
def test_tiles_cover_the_image_and_neighbours_overlap(size: tuple[int, int], overlap: int) -> None:
    windows = Tiling(256, overlap).windows(*size)
    covered = np.zeros(size[::-1], dtype=bool)
    for x0, y0, x1, y1 in windows:
        covered[y0:y1, x0:x1] = True
        assert (x1 - x0, y1 - y0) == (min(256, size[0]), min(256, size[1]))
    assert covered.all()
    for axis in (0, 1):
        starts = sorted({window[axis] for window in windows})
        assert all(later + overlap <= earlier + 256 for earlier, later in pairwise(starts))


def test_an_image_no_larger_than_a_tile_is_one_tile() -> None:
    assert Tiling(256, 32).windows(256, 100) == ((0, 0, 256, 100),)


def test_the_number_of_tiles_is_bounded() -> None:
    assert len(Tiling(256, 32).windows(64 * 224 + 32, 64 * 224 + 32)) == 4096
    with pytest.raises(ImageTooManyTiles, match="needs 4160 tiles of 256 pixels, the limit is 4096"):
        Tiling(256, 32).windows(64 * 224 + 33, 64 * 224 + 32)


def test_the_overlap_has_a_default() -> None:
    task, tiling = split_tile({"kind": "everything", "tile": {"size": 1024}})
    assert (task, tiling) == ({"kind": "everything"}, Tiling(1024, 128))
    assert split_tile({"kind": "everything", "tile": None})[1] is None


@pytest.mark.parametrize(
    "tile",
    [
        1024,
        {},
        {"size": 255},
        {"size": 8193},
        {"size": True},
        {"size": 1024, "overlap": 31},
        {"size": 1024, "overlap": 513},
        {"size": 1024, "stride": 9},
    ],
)
def test_other_tiles_are_refused(tile: Any) -> None:
    with pytest.raises(TaskInvalid, match="tile"):
        Tiling.of(tile)
