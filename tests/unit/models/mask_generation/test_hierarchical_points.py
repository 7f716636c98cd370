from __future__ import annotations

import numpy as np
import pytest

from samfleet_models.mask_generation.point_grid import pixels_of, point_grid
from samfleet_models.mask_generation.samplers import HierarchicalPoints


@pytest.mark.parametrize(
    ("per_side", "factor", "first", "asked"),
    [(32, 4, 64, 0), (32, 1, 1024, 1024), (9, 3, 9, 9), (10, 3, 9, 0), (2, 4, 1, 0), (1, 4, 1, 1), (15, 3, 25, 25)],
)
def test_no_point_is_prompted_twice(per_side: int, factor: int, first: int, asked: int) -> None:
    rounds = HierarchicalPoints.of(per_side, factor)
    assert (len(rounds.first), int(rounds.asked.sum())) == (first, asked)
    np.testing.assert_array_equal(rounds.dense, point_grid(per_side))
    nothing = np.zeros(per_side**2, dtype=bool)
    second = rounds.second(nothing)
    assert len(second) == per_side**2 - asked
    gaps = np.abs(second[:, None] - rounds.first[None]).max(axis=-1)
    assert not len(gaps) or gaps.min() > 1e-3


def test_points_that_coincide_are_equal() -> None:
    rounds = HierarchicalPoints.of(9, 3)
    np.testing.assert_allclose(rounds.dense[rounds.asked], rounds.first, atol=1e-15)


def test_confidently_covered_points_are_left_out() -> None:
    rounds = HierarchicalPoints.of(4, 2)
    sure = np.zeros(16, dtype=bool)
    sure[[0, 5]] = True
    np.testing.assert_array_equal(rounds.second(sure), np.delete(point_grid(4), [0, 5], axis=0))


def test_points_are_in_pixels() -> None:
    points = point_grid(2)
    assert pixels_of(points, (10, 7)).tolist() == [[1, 2], [5, 2], [1, 7], [5, 7]]
    assert pixels_of(points, (1, 1)).tolist() == [[0, 0]] * 4
