from __future__ import annotations

import numpy as np

from samfleet.masks.rle import decode_mask, encode_columns, encode_mask


def test_a_mask_survives_its_code() -> None:
    mask = np.random.default_rng(0).random((17, 23)) > 0.5
    np.testing.assert_array_equal(decode_mask(encode_mask(mask), (17, 23)), mask)


def test_columns_are_coded_as_single_masks() -> None:
    masks = np.random.default_rng(1).random((3, 5, 9)) > 0.5
    columns = np.ascontiguousarray(masks.transpose(0, 2, 1)).astype(np.uint8)
    assert encode_columns(columns) == [encode_mask(mask) for mask in masks]
    assert encode_columns(columns[:0]) == []


def test_empty_and_full_masks_have_codes() -> None:
    for mask in (np.zeros((4, 3), dtype=bool), np.ones((4, 3), dtype=bool)):
        np.testing.assert_array_equal(decode_mask(encode_mask(mask), (4, 3)), mask)
