from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from samfleet.masks.rle import encode_mask, encode_runs
from samfleet.masks.run_sets import drawn_in, drawn_in_box, runs_of_code, sampled, shared_pixels, union
from samfleet.masks.runs import Runs

SIZE = (9, 14)


def masks(share: float) -> NDArray[np.bool_]:
    return np.random.default_rng(2).random((3, *SIZE)) < share


def runs_of(mask: NDArray[np.bool_]) -> Runs:
    return runs_of_code(encode_mask(mask), SIZE)


@pytest.mark.parametrize("share", [0.0, 0.03, 0.5, 0.97, 1.0])
def test_runs_are_those_of_the_pixels(share: float) -> None:
    first, second, third = masks(share)
    assert encode_runs(runs_of(first)) == [encode_mask(first)]
    assert shared_pixels(runs_of(first), runs_of(second)) == (first & second).sum()
    assert encode_runs(union([runs_of(mask) for mask in (first, second, third)])) == [
        encode_mask(first | second | third)
    ]


@pytest.mark.parametrize("share", [0.0, 0.03, 0.5, 1.0])
def test_a_mask_is_drawn_inside_its_box(share: float) -> None:
    mask = masks(share)[0]
    mask[:2], mask[:, :3] = False, False
    drawn, (left, top) = drawn_in_box(runs_of(mask))
    whole = np.zeros(SIZE, dtype=bool)
    whole[top : top + drawn.shape[0], left : left + drawn.shape[1]] = drawn
    np.testing.assert_array_equal(whole, mask)
    ys, xs = mask.nonzero()
    assert drawn.shape == ((np.ptp(ys) + 1, np.ptp(xs) + 1) if len(ys) else (0, 0))


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_window_keeps_the_pixels_inside(share: float) -> None:
    (mask, _, _), inside = masks(share), np.zeros(SIZE, dtype=bool)
    inside[2:7, 3:9] = True
    assert encode_runs(runs_of(mask).clipped((3, 2, 9, 7))) == [encode_mask(mask & inside)]


@pytest.mark.parametrize("share", [0.0, 0.5, 0.97, 1.0])
def test_a_part_of_a_mask_is_drawn(share: float) -> None:
    mask = masks(share)[0]
    for x0, y0, x1, y1 in ((3, 2, 9, 7), (0, 0, 14, 9), (13, 8, 14, 9), (4, 4, 4, 6)):
        np.testing.assert_array_equal(drawn_in(runs_of(mask), (x0, y0, x1, y1)), mask[y0:y1, x0:x1])


@pytest.mark.parametrize("share", [0.0, 0.3, 0.97, 1.0])
@pytest.mark.parametrize("size", [(1, 1), (4, 5), SIZE, (20, 31)])
def test_a_mask_is_sampled_as_its_pixels_are(share: float, size: tuple[int, int]) -> None:
    mask = masks(share)[0]
    rows, columns = (np.arange(new) * old // new for new, old in zip(size, SIZE, strict=True))
    found = sampled(runs_of(mask), rows, columns)
    np.testing.assert_array_equal(drawn_in(found, (0, 0, size[1], size[0])), mask[rows[:, None], columns])
