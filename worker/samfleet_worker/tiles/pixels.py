"""Tiles of an image file, as separate files.

A TIFF is read by window if rasterio is installed and its pixels lie in small blocks. All others are decoded whole,
because Pillow cannot read a part of a file, and held once, as 3 bytes a pixel.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from samfleet.masks.large import PixelLimits, open_windows
from samfleet.variants.tiling import Window
from samfleet_models.images.decode import read_image


@contextmanager
def open_tiles(data: bytes, limits: PixelLimits) -> Iterator[Callable[[Window], bytes]]:
    """Open the image; the function returns a window of it as a BMP, without loss. It is for several threads.

    Opening and reading raise `ImageFailed` like `samfleet_models.images.decode.read_image`.
    """
    with open_windows(data, limits) as windows:
        if windows is not None:
            windows.prepare()
            yield lambda window: _bmp(windows.read(window))
            return
    pixels = read_image(data, limits.whole)
    yield lambda window: _bmp(pixels[window[1] : window[3], window[0] : window[2]])


def _bmp(pixels: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "BMP")
    return file.getvalue()
