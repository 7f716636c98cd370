"""Tiles of an image file, as separate files.

A TIFF is read by window if rasterio is installed and its pixels lie in small blocks. All others are decoded whole,
because Pillow cannot read a part of a file, and held once, as 3 bytes a pixel.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from samfleet.masks.large import PixelLimits, open_windows
from samfleet.masks.pictures import scaled_window
from samfleet.variants.tiling import Window
from samfleet_models.images.decode import read_image


class ReadTile(Protocol):
    """Reader of a window of an image as a BMP, without loss. It is for several threads."""

    def __call__(self, window: Window, size: tuple[int, int] | None = None) -> bytes:
        """Return the window, scaled down to `size` (width, height) if that is given."""
        ...


@contextmanager
def open_tiles(data: bytes, limits: PixelLimits) -> Iterator[ReadTile]:
    """Open the image to read windows of it.

    Opening and reading raise `ImageFailed` like `samfleet_models.images.decode.read_image`.
    """
    with open_windows(data, limits) as windows:
        if windows is not None:
            windows.prepare()
            yield lambda window, size=None: _bmp(scaled_window(windows.read, window, size))
            return
    pixels = read_image(data, limits.whole)

    def read(window: Window) -> NDArray[np.uint8]:
        return pixels[window[1] : window[3], window[0] : window[2]]

    yield lambda window, size=None: _bmp(scaled_window(read, window, size))


def _bmp(pixels: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "BMP")
    return file.getvalue()
