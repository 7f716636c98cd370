"""Greys of more than 8 bits as 8 bits, in one way for the model and for pictures.

- 16-bit grey is scaled: value / 257, rounded.
- 32-bit integer and floating-point grey has no fixed white: its own range is stretched to 0..255. NaN, infinities and a
  GeoTIFF's nodata value (tag 42113) do not count in the range. Positive infinity becomes white, the others black.

An image is looked at in strips, which bounds what is beside the pixels as Pillow holds them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from samfleet.masks.tiff import nodata

STRIP_PIXELS = 2**20


@dataclass(frozen=True, slots=True)
class Stretch:
    """From wide greys to 8 bits; values from `low` to `high` become 0..255. `nodata` is a value without meaning."""

    low: float
    high: float
    nodata: float | None = None

    def __call__(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Numbers of any kind to uint8, in the same shape."""
        if self.high <= self.low:
            return np.zeros(values.shape, dtype=np.uint8)
        clean = values.astype(np.float64)
        np.nan_to_num(clean, copy=False, nan=self.low, posinf=self.high, neginf=self.low)
        if self.nodata is not None:
            clean[_are(values, self.nodata)] = self.low
        grey: NDArray[np.uint8] = np.rint((clean - self.low) * 255.0 / (self.high - self.low)).astype(np.uint8)
        return grey


SIXTEEN_BITS = Stretch(0.0, 65_535.0)


def stretch_of(image: Image.Image) -> Stretch | None:
    """How the greys of a loaded image become 8 bits; None where it has 8 bits a channel already.

    Ask before the image is turned: Pillow keeps tags only with the image that it opened.
    """
    if image.mode.startswith("I;16"):
        return SIXTEEN_BITS
    if image.mode in {"I", "F"}:
        missing = nodata(image)
        return Stretch(*_range(image, missing), missing)
    return None


def strips(image: Image.Image) -> Iterator[tuple[slice, Image.Image]]:
    """Rows of the image, a bounded number of pixels at a time."""
    height = max(1, STRIP_PIXELS // image.width)
    if image.height <= height:
        yield slice(0, image.height), image
        return
    for top in range(0, image.height, height):
        rows = slice(top, min(top + height, image.height))
        yield rows, image.crop((0, rows.start, image.width, rows.stop))


def _range(image: Image.Image, missing: float | None) -> tuple[float, float]:
    """The least and the greatest value that counts; zeros where there is none."""
    ends = []
    for _, strip in strips(image):
        values = np.asarray(strip)
        counted = np.isfinite(values)
        if missing is not None:
            counted &= ~_are(values, missing)
        if counted.any():
            ends += [float(values[counted].min()), float(values[counted].max())]
    return (min(ends), max(ends)) if ends else (0.0, 0.0)


def _are(values: NDArray[Any], number: float) -> NDArray[np.bool_]:
    """Where the values are this number, as exactly as their type can hold it: files give it with more digits."""
    with np.errstate(over="ignore"):
        held = np.float32(number) if values.dtype.kind == "f" else number
    return np.asarray(values == held, dtype=np.bool_)
