"""COCO compressed run-length codes of binary masks (pycocotools' `mask` API, column-major)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask


def encode_columns(columns: NDArray[np.uint8]) -> list[str]:
    """Counts of masks given transposed: [masks, width, height] uint8 of 0 and 1, C order.

    That is the layout pycocotools reads, so nothing is copied.
    """
    if not len(columns):
        return []
    return [rle["counts"].decode("ascii") for rle in coco_mask.encode(columns.transpose(2, 1, 0))]


def encode_mask(mask: NDArray[np.bool_]) -> str:
    """Counts of one mask [height, width]."""
    return encode_columns(np.ascontiguousarray(mask.T)[None].view(np.uint8))[0]


def decode_mask(counts: str, size: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask [height, width] of its counts; `size` is (height, width)."""
    decoded: NDArray[np.uint8] = coco_mask.decode({"counts": counts.encode("ascii"), "size": list(size)})
    return decoded.astype(bool)
