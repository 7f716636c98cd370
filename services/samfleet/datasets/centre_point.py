"""The point prompt of an annotated object: the pixel deepest inside its mask."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from samfleet.errors import InvalidInput


class MaskEmpty(InvalidInput):
    """The mask has no pixel, so it has no centre point; leave the annotation out."""

    code = "mask_empty"


def centre_point(mask: NDArray[np.bool_]) -> tuple[int, int]:
    """(x, y) of the pixel farthest from the background, the first in row-major order on ties.

    `mask` is [height, width]. Beyond the image's edge lies background: the distance is the exact Euclidean one to the
    nearest background pixel of the mask padded by one pixel. Distances are compared squared, as whole numbers, so
    ties are exact.
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        raise MaskEmpty
    top, left = int(rows[0]), int(columns[0])
    padded = np.pad(mask[top : rows[-1] + 1, left : columns[-1] + 1], 1)
    nearest = ndimage.distance_transform_edt(padded, return_distances=False, return_indices=True)
    offsets = nearest.astype(np.int64) - np.indices(padded.shape)
    squared = np.square(offsets).sum(axis=0)[1:-1, 1:-1]
    y, x = divmod(int(squared.argmax()), squared.shape[1])
    return left + x, top + y
