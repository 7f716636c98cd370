from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from reference.rle import encode_slowly
from samfleet.masks.rle import decode_mask, encode_columns, encode_mask, run_lengths


def test_a_mask_round_trips_through_its_run_lengths() -> None:
    mask = np.random.default_rng(0).random((17, 23)) > 0.5
    np.testing.assert_array_equal(decode_mask(encode_mask(mask), (17, 23)), mask)


def test_column_blocks_are_encoded_like_single_masks() -> None:
    masks = np.random.default_rng(1).random((3, 5, 9)) > 0.5
    columns = np.ascontiguousarray(masks.transpose(0, 2, 1)).astype(np.uint8)
    assert encode_columns(columns) == [encode_mask(mask) for mask in masks]
    assert encode_columns(columns[:0]) == []


def test_empty_and_full_masks_are_encoded() -> None:
    for mask in (np.zeros((4, 3), dtype=bool), np.ones((4, 3), dtype=bool)):
        np.testing.assert_array_equal(decode_mask(encode_mask(mask), (4, 3)), mask)


SHAPES = [(1, 1), (1, 40), (40, 1), (7, 9), (8, 8), (16, 4), (33, 70), (480, 64)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.97, 1.0])
def test_run_lengths_equal_those_of_pycocotools(shape: tuple[int, int], share: float) -> None:
    masks = np.random.default_rng(2).random((5, *shape)) < share
    assert codes(masks) == official(masks)


def test_single_pixels_stripes_and_long_runs_are_encoded_as_by_pycocotools() -> None:
    single = np.eye(6, dtype=bool).reshape(6, 2, 3)
    alternating = np.indices((9, 11)).sum(0)[None] % 2 == [[[0]], [[1]]]
    long = np.zeros((2, 3000, 2000), dtype=bool)
    long[0, 1234, 777] = long[1, :, 1:] = True
    for masks in (single, alternating, long):
        assert codes(masks) == official(masks)


def test_run_lengths_equal_those_of_the_plain_loop() -> None:
    masks = np.random.default_rng(3).random((4, 30, 50)) < 0.2
    assert codes(masks) == [encode_slowly(mask) for mask in masks]


def codes(masks: NDArray[np.bool_]) -> list[str]:
    return encode_columns(np.ascontiguousarray(masks.transpose(0, 2, 1)).view(np.uint8))


def official(masks: NDArray[np.bool_]) -> list[str]:
    return [coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))["counts"].decode() for mask in masks]


@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
@pytest.mark.parametrize("size", SHAPES)
def test_run_lengths_are_those_of_the_mask(size: tuple[int, int], share: float) -> None:
    mask = np.random.default_rng(2).random(size) < share
    lengths = run_lengths(encode_mask(mask))
    values = np.arange(len(lengths)) % 2 == 1
    np.testing.assert_array_equal(np.repeat(values, lengths), mask.T.ravel())
