"""Floating-point operations of the kernels, from the sizes of a call.

Two operations count for each multiply-add of a product, as torch counts its own. Of a symmetric product only the
computed half counts. Softmax, norms, activations, masks' interpolation and columns that only fill a tile count nothing.
"""

from __future__ import annotations

import threading
from typing import Literal

from samfleet_kernels.structures import DrawingSizes, Sizes
from samfleet_kernels.token_structures import CHANNELS, HEADS

Kernel = Literal["first", "second", "third", "drawing"]

LAYERS = 2
SUBPIXELS, HIDDEN, FEATURES = 4, 64, 32  # of the drawing; each sub-pixel has as many inner ones
WIDE = 64  # channels between the refining convolutions


class Operations:
    """A sum over all threads."""

    def __init__(self) -> None:
        self.total = 0
        self._lock = threading.Lock()

    def add(self, count: int) -> None:
        with self._lock:
            self.total += count


def operations(kernel: Kernel, sizes: Sizes | DrawingSizes) -> int:
    """Return the operations of one call."""
    if isinstance(sizes, DrawingSizes):
        each = _drawing(sizes.tokens, sizes.masks) + (_refining() if sizes.refined else 0)
        return int(sizes.pixels * each) + _projection(sizes.tokens)
    each = {"first": _first, "second": _second, "third": _third}[kernel](sizes.tokens)
    return int(sizes.prompts * sizes.pixels * each)


def _narrow(rows: int) -> int:
    """Return the operations of the products over a head's channels, for one image token and all rows."""
    return 2 * rows * CHANNELS


def _symmetric(rows: int) -> int:
    return rows * (rows + 1)


def _first(tokens: int) -> int:
    return 2 * _narrow(HEADS * tokens)  # logits and weighted values


def _second(tokens: int) -> int:
    pairs, each = HEADS * tokens, HEADS * (tokens - 1)
    narrow = 5 * _narrow(pairs)  # two logits, one of them in two parts; echoes; weighted values
    wide = 2 * pairs * (each + 1) + 2 * pairs * each  # the logits' third part; the gathered factors
    return narrow + wide + _symmetric(each + 1)


def _third(tokens: int) -> int:
    pairs, each = HEADS * tokens, HEADS * (tokens - 1)
    rows = 2 * each + 2
    narrow = 8 * _narrow(pairs)  # three logits, two of them in two parts; echoes of two layers; weighted values
    wide = 2 * pairs * (each + 1 + rows) + 2 * pairs * 2 * each  # the two logits' third parts; the gathered factors
    return narrow + wide + _symmetric(rows)


def _projection(tokens: int) -> int:
    return LAYERS * _narrow(HEADS * tokens) * SUBPIXELS * HIDDEN


def _drawing(tokens: int, masks: int) -> int:
    rows = LAYERS * (HEADS * (tokens - 1) + 1)
    inner = 2 * HIDDEN * FEATURES + 2 * FEATURES * masks  # the second convolution; the masks' products
    return SUBPIXELS * (2 * rows * HIDDEN + SUBPIXELS * inner)


def _refining() -> int:
    columns, points, neighbours, taps = 4, 6, 3, 9  # of an image token: pixels along x; points along y (Winograd)
    first = columns * points * 2 * WIDE * neighbours * FEATURES
    return first + SUBPIXELS**2 * 2 * (taps * WIDE + FEATURES)  # the second convolution; the image's features
