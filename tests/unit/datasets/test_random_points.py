from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from samfleet.datasets.centre_point import MaskEmpty
from samfleet.datasets.random_points import random_points

DISC = np.hypot(*np.mgrid[-6:7, -9:10]) <= 5  # 13 rows of 19
RECORDED = ((9, 11), (10, 4), (8, 5))


def test_points_are_distinct_pixels_of_the_mask() -> None:
    for annotation_id in range(50):
        points = random_points(DISC, 3, 0, annotation_id)
        assert len(set(points)) == 3
        assert all(DISC[y, x] for x, y in points)


def test_the_draws_are_fixed_by_seed_and_annotation() -> None:
    """The figures of a report can only be repeated if a later version draws the same pixels."""
    assert random_points(DISC, 3, 0, 1) == RECORDED
    assert random_points(DISC, 2, 0, 1) == RECORDED[:2]
    assert random_points(DISC, 3, 1, 1) != RECORDED
    assert random_points(DISC, 3, 0, 2) != RECORDED


def test_every_pixel_is_drawn_equally_often() -> None:
    mask = np.zeros((3, 5), dtype=bool)
    mask[1, :4] = True
    counts = Counter(point for number in range(2000) for point in random_points(mask, 2, 3, number))
    assert set(counts) == {(0, 1), (1, 1), (2, 1), (3, 1)}
    assert all(abs(count - 1000) < 100 for count in counts.values())  # four and a half standard deviations


def test_a_small_object_gives_all_its_pixels() -> None:
    mask = np.zeros((4, 4), dtype=bool)
    mask[1, 2] = mask[3, 0] = True
    assert random_points(mask, 3, 0, 9) == ((2, 1), (0, 3))
    assert random_points(mask, 2, 0, 9) == ((2, 1), (0, 3))


def test_an_empty_mask_has_no_points() -> None:
    with pytest.raises(MaskEmpty, match="no pixel for a point"):
        random_points(np.zeros((3, 3), dtype=bool), 3, 0, 1)
