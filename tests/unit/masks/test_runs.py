from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from samfleet.masks.rle import decode_mask, encode_runs
from samfleet.masks.runs import Runs, pack_columns


def random_masks(share: float, shape: tuple[int, int, int] = (6, 8, 16)) -> NDArray[np.bool_]:
    return np.random.default_rng(4).random(shape) < share


def runs_of(masks: NDArray[np.bool_]) -> Runs:
    _, height, width = masks.shape
    return Runs.of_bits(pack_columns(np.ascontiguousarray(masks.transpose(0, 2, 1))), (height, width))


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
def test_areas_and_boxes_equal_those_of_the_masks(share: float) -> None:
    masks = random_masks(share)
    runs = runs_of(masks)
    assert runs.areas().tolist() == masks.sum((1, 2)).tolist()
    for mask, box in zip(masks, runs.boxes(), strict=True):
        y, x = mask.nonzero()
        assert box.tolist() == ([x.min(), y.min(), x.max(), y.max()] if len(x) else [0, 0, 0, 0])


@pytest.mark.parametrize("corner", [(0, 0), (3, 0), (3, 2)])
@pytest.mark.parametrize("height", [8, 12])
def test_placed_masks_lie_at_their_place_in_the_larger_image(corner: tuple[int, int], height: int) -> None:
    corner = (corner[0], min(corner[1], height - 8))
    masks = random_masks(0.6)
    whole = np.zeros((6, height, 20), dtype=bool)
    whole[:, corner[1] : corner[1] + 8, corner[0] : corner[0] + 16] = masks
    codes = encode_runs(runs_of(masks).placed(corner, (height, 20)))
    for code, mask in zip(codes, whole, strict=True):
        np.testing.assert_array_equal(decode_mask(code, (height, 20)), mask)


def test_selected_masks_keep_their_runs() -> None:
    masks = random_masks(0.5)
    masks[1] = False
    keep = np.array([True, True, False, True, False, False])
    assert encode_runs(runs_of(masks).take(keep)) == encode_runs(runs_of(masks[keep]))


def test_no_masks_have_no_runs() -> None:
    runs = runs_of(random_masks(0.5)[:0])
    assert encode_runs(runs) == []
    assert runs.boxes().shape == (0, 4)
    assert runs.areas().tolist() == []
