"""Windows of a TIFF, read without decoding the rest of it. It needs rasterio, which is an extra.

The colours are those of `samfleet_models.images.decode`. Three or more bands are red, green and blue, and the others
are left out; of fewer the first is grey. Grey of 16 bits is scaled, colour of 16 bits keeps its high bytes. Other
numbers are stretched by the range of the whole image, which is read once for it; three bands share one range.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import PurePosixPath
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from samfleet.image_errors import ImageUnreadable
from samfleet.masks import tiff
from samfleet.masks.greys import SIXTEEN_BITS, Stretch, counted_range
from samfleet.masks.rasters import has_rasterio, open_raster

MOST_BLOCK_BYTES = 64 * 2**20  # of one compressed tile or strip, which is decoded whole
KINDS = frozenset({"uint8", "uint16", "int16", "uint32", "int32", "float32", "float64"})
COLOURS = 3

Window = tuple[int, int, int, int]  # x0, y0, x1, y1 in pixels, maxima exclusive


class TiffWindows:
    """An open TIFF of `size` (width, height). Safe to share between threads, which read one after the other."""

    def __init__(self, dataset: Any, opened: ExitStack) -> None:
        self._dataset = dataset
        self._opened = opened
        self._reading = threading.Lock()
        self._bands = [1, 2, 3] if dataset.count >= COLOURS else [1]
        self._stretch: Stretch | None = None
        self.size: tuple[int, int] = (dataset.width, dataset.height)

    @classmethod
    def open(cls, data: bytes) -> Self | None:
        """Return None if the file must be decoded whole: another format or kind, turned, or without small blocks."""
        if not data.startswith(tiff.SIGNATURES) or not has_rasterio() or not tiff.is_upright(data):
            return None
        from rasterio.errors import RasterioError

        with ExitStack() as opened:
            try:
                dataset = opened.enter_context(open_raster(data))
            except RasterioError:
                return None  # Pillow says what is wrong with it
            if _has_small_blocks(dataset):
                return cls(dataset, opened.pop_all())
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def prepare(self) -> None:
        """Find the range of numbers that are stretched. Call it before `read`."""
        kind = self._dataset.dtypes[0]
        if kind == "uint8" or (kind == "uint16" and len(self._bands) == COLOURS):
            return
        self._stretch = SIXTEEN_BITS if kind == "uint16" else self._whole_range()

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Return the pixels of a window: HWC uint8 RGB. Raises `ImageUnreadable`."""
        x0, y0, x1, y1 = window
        values = self._read(((y0, y1), (x0, x1)))
        if self._stretch is not None:
            colours = self._stretch(values)
        else:
            colours = values if values.dtype == np.uint8 else (values >> 8).astype(np.uint8)
        if len(colours) == 1:
            colours = np.repeat(colours, COLOURS, axis=0)
        return np.ascontiguousarray(colours.transpose(1, 2, 0))

    def check(self) -> None:
        """Decode every block once. Raises `ImageUnreadable` if one is damaged."""
        for _, window in self._dataset.block_windows(1):
            self._read(window)

    def _read(self, window: Any) -> NDArray[Any]:
        from rasterio.errors import RasterioError

        try:
            with self._reading:
                return np.asarray(self._dataset.read(self._bands, window=window))
        except RasterioError as error:
            reason = str(error.__cause__ or error)
            for name in (self._dataset.name, PurePosixPath(self._dataset.name).name):  # one of this opening
                reason = reason.replace(name, "the file")
            raise ImageUnreadable(f"the image's pixels cannot be decoded: {reason}") from error

    def _whole_range(self) -> Stretch:
        missing = self._dataset.nodata
        missing = float(missing) if missing is not None and np.isfinite(missing) else None
        ranges = [counted_range(self._read(window), missing) for _, window in self._dataset.block_windows(1)]
        known = [one for one in ranges if one is not None]
        low, high = (min(one[0] for one in known), max(one[1] for one in known)) if known else (0.0, 0.0)
        return Stretch(low, high, missing)


def _has_small_blocks(dataset: Any) -> bool:
    kinds, shapes = set(dataset.dtypes), set(dataset.block_shapes)
    if len(kinds) != 1 or not kinds <= KINDS or len(shapes) != 1:
        return False
    [(height, width)] = shapes
    return bool(height * width * dataset.count * np.dtype(dataset.dtypes[0]).itemsize <= MOST_BLOCK_BYTES)
