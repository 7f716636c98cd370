from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from samfleet_models.ops.small_regions import remove_small_regions


def drawn(*rows: str) -> NDArray[np.bool_]:
    return np.array([[character == "#" for character in row] for row in rows])


def test_small_holes_are_filled_and_large_ones_stay() -> None:
    mask = drawn("#######", "#.#..##", "###..##", "#######")
    filled, changed = remove_small_regions(mask, 2, "holes")
    assert changed
    np.testing.assert_array_equal(filled, drawn("#######", "###..##", "###..##", "#######"))


def test_small_islands_are_removed_and_diagonal_neighbours_are_connected() -> None:
    mask = drawn("#..##", ".#...", "....#")
    clean, changed = remove_small_regions(mask, 2, "islands")
    assert changed
    np.testing.assert_array_equal(clean, drawn("#..##", ".#...", "....."))


def test_holes_are_connected_diagonally_too() -> None:
    mask = drawn("####", "#.##", "##.#", "####")
    filled, changed = remove_small_regions(mask, 2, "holes")
    assert not changed
    np.testing.assert_array_equal(filled, mask)


def test_the_largest_island_stays_when_all_are_small() -> None:
    clean, changed = remove_small_regions(drawn("#..##", "....."), 10, "islands")
    assert changed
    np.testing.assert_array_equal(clean, drawn("...##", "....."))


def test_full_and_empty_masks_are_unchanged() -> None:
    for mask in (np.zeros((3, 3), dtype=bool), np.ones((3, 3), dtype=bool)):
        for mode in ("holes", "islands"):
            same, _ = remove_small_regions(mask, 5, mode)
            if mode == "islands" or mask.all():
                np.testing.assert_array_equal(same, mask)


def test_the_area_limit_is_exclusive() -> None:
    mask = drawn("##...", ".....", "..###")
    assert not remove_small_regions(mask, 2, "islands")[1]
    assert remove_small_regions(mask, 3, "islands")[1]
