"""Tiles of an image file, as separate files.

A TIFF is read by window if rasterio is installed and its pixels lie in small blocks. All others are decoded whole,
because Pillow cannot read a part of a file, and held once, as 3 bytes a pixel.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from samfleet.image_errors import ImageTooLarge
from samfleet.masks import tiff
from samfleet.masks.image_file import check_pixels, upright_size
from samfleet.masks.rasters import has_rasterio
from samfleet.variants.tiling import Window
from samfleet_models.images.decode import read_image
from samfleet_worker.tiles.windows import TiffWindows


@dataclass(frozen=True, slots=True)
class TileLimits:
    """Largest width x height of an image that is decoded whole, and of one that is read by window."""

    whole: int
    by_window: int


def tiled_size(data: bytes, limits: TileLimits) -> tuple[int, int]:
    """Return (width, height) of the upright image, from its header. Raises a subclass of `ImageFailed`."""
    with _windows(data, limits) as windows:
        if windows is not None:
            return windows.size
    try:
        return upright_size(data, limits.whole)
    except ImageTooLarge as error:
        if not data.startswith(tiff.SIGNATURES):
            raise
        advice = "store it in tiles" if has_rasterio() else "install samfleet[geo] on the worker to read it by window"
        raise ImageTooLarge(f"{error.message}, or {advice}") from error


@contextmanager
def open_tiles(data: bytes, limits: TileLimits) -> Iterator[Callable[[Window], bytes]]:
    """Open the image; the function returns a window of it as a BMP, without loss. It is for several threads.

    Opening and reading raise `ImageFailed` like `samfleet_models.images.decode.read_image`.
    """
    with _windows(data, limits) as windows:
        if windows is not None:
            windows.prepare()
            yield lambda window: _bmp(windows.read(window))
            return
    pixels = read_image(data, limits.whole)
    yield lambda window: _bmp(pixels[window[1] : window[3], window[0] : window[2]])


@contextmanager
def _windows(data: bytes, limits: TileLimits) -> Iterator[TiffWindows | None]:
    windows = TiffWindows.open(data)
    if windows is None:
        yield None
        return
    with windows:
        check_pixels(windows.size, limits.by_window)
        yield windows


def _bmp(pixels: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "BMP")
    return file.getvalue()
