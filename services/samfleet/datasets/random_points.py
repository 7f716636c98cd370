"""Point prompts of an annotated object: random distinct pixels of its mask."""

from __future__ import annotations

from hashlib import sha256
from itertools import count

import numpy as np
from numpy.typing import NDArray

from samfleet.datasets.centre_point import MaskEmpty


def random_points(mask: NDArray[np.bool_], points: int, seed: int, annotation_id: int) -> tuple[tuple[int, int], ...]:
    """Return (x, y) of up to `points` distinct pixels of the mask, uniformly random, in the order of their draws.

    `mask` is [height, width]. A mask with fewer pixels gives all of them, in row-major order. The draws depend only on
    `seed`, `annotation_id` and the mask, not on other objects, the machine or the version of a library: draw i is
    SHA-256 of "seed:annotation_id:i" as a big-endian number, modulo the number of pixels; repeated pixels are skipped.
    The remainder of 256 bits prefers no pixel by more than 2**-200. Raises `MaskEmpty`.
    """
    pixels = np.flatnonzero(mask)
    if not len(pixels):
        raise MaskEmpty("the mask is empty, so it has no pixel for a point; remove the annotation")
    width = mask.shape[1]
    if len(pixels) <= points:
        chosen = pixels.tolist()
    else:
        chosen = pixels[list(_draws(len(pixels), points, f"{seed}:{annotation_id}"))].tolist()
    return tuple((pixel % width, pixel // width) for pixel in chosen)


def _draws(among: int, wanted: int, key: str) -> dict[int, None]:
    """Return `wanted` distinct numbers below `among`, as keys in the order of their draws."""
    drawn: dict[int, None] = {}
    for number in count():
        if len(drawn) == wanted:
            break
        drawn[int.from_bytes(sha256(f"{key}:{number}".encode()).digest(), "big") % among] = None
    return drawn
