"""Conversion of grey levels of more than 8 bits to 8 bits, the same for the model and for pictures.

- 16-bit grey is scaled: value / 257, rounded.
- 32-bit integer and floating-point grey has no fixed white: the range of the image is stretched to 0..255. NaN,
  infinities and a GeoTIFF's nodata value (tag 42113) are excluded from the range. Positive infinity becomes white, the
  others black.

An image is processed in strips, which limits the memory on top of Pillow's pixels.
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
    """Mapping of grey levels from `low`..`high` to 0..255; `nodata` is the value of pixels that were not measured."""

    low: float
    high: float
    nodata: float | None = None

    def __call__(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Convert numbers of any type to uint8 in the same shape."""
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
    """Return the mapping of a loaded image's grey levels to 8 bits; None if it has 8 bits a channel already.

    Call it before the image is transposed: Pillow keeps tags only on the image that it opened.
    """
    if image.mode.startswith("I;16"):
        return SIXTEEN_BITS
    if image.mode in {"I", "F"}:
        missing = nodata(image)
        return Stretch(*_range(image, missing), missing)
    return None


def strips(image: Image.Image) -> Iterator[tuple[slice, Image.Image]]:
    """Yield strips of rows with a bounded number of pixels."""
    height = max(1, STRIP_PIXELS // image.width)
    if image.height <= height:
        yield slice(0, image.height), image
        return
    for top in range(0, image.height, height):
        rows = slice(top, min(top + height, image.height))
        yield rows, image.crop((0, rows.start, image.width, rows.stop))


def _range(image: Image.Image, missing: float | None) -> tuple[float, float]:
    """Return the least and the greatest value that counts; zeros if there is none."""
    ends: list[float] = []
    for _, strip in strips(image):
        values = np.asarray(strip)
        ends += counted_range(values, missing) or ()
    return (min(ends), max(ends)) if ends else (0.0, 0.0)


def counted_range(values: NDArray[Any], missing: float | None) -> tuple[float, float] | None:
    """Return the least and the greatest value that is finite and not `missing`; None if there is none."""
    counted = np.isfinite(values)
    if missing is not None:
        counted &= ~_are(values, missing)
    found = values[counted]
    return (float(found.min()), float(found.max())) if found.size else None


def _are(values: NDArray[Any], number: float) -> NDArray[np.bool_]:
    """Return a mask of the values equal to `number`, rounded to their type: files state it with more digits."""
    with np.errstate(over="ignore"):
        held = np.float32(number) if values.dtype.kind == "f" else number
    return np.asarray(values == held, dtype=np.bool_)
