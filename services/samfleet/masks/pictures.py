"""Small upright pictures of image files, made in about 5 bytes of memory per pixel of the file.

A TIFF that is too large for that is read by window (`samfleet.masks.large`), some rows at a time.

An image is downscaled before it is transposed and converted to RGB, because each of these steps copies it. Grey levels
of more than 8 bits are scaled as for the model (`samfleet.masks.greys`), some rows at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from samfleet.image_errors import ImageUnreadable
from samfleet.masks.greys import stretch_of, strips
from samfleet.masks.image_file import open_image, turn_after_loading
from samfleet.masks.large import DEFAULT_LIMITS, PixelLimits, open_windows
from samfleet.masks.rasters import CACHE_BYTES
from samfleet.masks.tiff_windows import COLOURS, TiffWindows, Window

BAND_PIXELS = 2**22  # of a TIFF that is read by window, with all columns

Picture = NDArray[np.uint8]  # HW3, RGB


@dataclass(frozen=True, slots=True)
class PictureSource:
    """An image of which only the header is read. `pixels` will be decoded; the picture has at most `small_pixels`."""

    image: Image.Image
    max_side: int

    @property
    def pixels(self) -> int:
        return self.image.width * self.image.height

    @property
    def small_pixels(self) -> int:
        return min(self.pixels, self.max_side**2)

    def read(self) -> Picture:
        try:
            turn = turn_after_loading(self.image)
            small = as_bytes(self.image)
            small.thumbnail((self.max_side, self.max_side), Image.Resampling.BILINEAR)
            upright = small if turn is None else small.transpose(turn)
            return np.array(upright.convert("RGB"))
        except MemoryError:
            raise
        except Exception as error:  # on damaged files Pillow's plugins raise nearly any exception
            raise ImageUnreadable(f"the image cannot be decoded ({error}); nothing can be drawn on it") from error


@dataclass(frozen=True, slots=True)
class WindowedSource:
    """A TIFF that is read by window, with the properties of `PictureSource`."""

    windows: TiffWindows
    max_side: int

    @property
    def pixels(self) -> int:
        return BAND_PIXELS + CACHE_BYTES // COLOURS

    @property
    def small_pixels(self) -> int:
        return self.max_side**2

    def read(self) -> Picture:
        width, height = self.windows.size
        scale = self.max_side / max(width, height)
        self.windows.prepare()
        small = (max(1, round(width * scale)), max(1, round(height * scale)))
        return scaled_window(self.windows.read, (0, 0, width, height), small)


def scaled_window(read: Callable[[Window], Picture], window: Window, size: tuple[int, int] | None) -> Picture:
    """Return a window of an image scaled down to `size` (width, height), reading some rows at a time.

    Each pixel is the mean of those that it covers. Without a size, or with that of the window, it is not scaled.
    """
    left, top, right, bottom = window
    width, height = right - left, bottom - top
    if size is None or size == (width, height):
        return read(window)
    step = height / size[1]
    rows = max(1, int(BAND_PIXELS / width / step))
    bands = []
    for first in range(0, size[1], rows):
        last = min(first + rows, size[1])
        above, below = int(first * step), min(ceil(last * step), height)
        band = Image.fromarray(np.ascontiguousarray(read((left, top + above, right, top + below))))
        box = (0, first * step - above, width, min(last * step - above, below - above))
        bands.append(np.asarray(band.resize((size[0], last - first), Image.Resampling.BOX, box=box)))
    return np.concatenate(bands)


@contextmanager
def open_picture(
    image_bytes: bytes, max_side: int, limits: PixelLimits = DEFAULT_LIMITS
) -> Iterator[PictureSource | WindowedSource]:
    """Open an image, reading only its header, and check its number of pixels.

    A JPEG will be decoded at a fraction of its size. Raises a subclass of `ImageFailed` that names the fault.
    """
    with open_windows(image_bytes, limits) as windows:
        if windows is not None and windows.size[0] * windows.size[1] > limits.whole:
            yield WindowedSource(windows, min(max_side, max(windows.size)))
            return
    with open_image(image_bytes, limits.whole) as image:
        image.draft("RGB", (max_side, max_side))
        yield PictureSource(image, max_side)


@contextmanager
def open_regions(image_bytes: bytes, limits: PixelLimits = DEFAULT_LIMITS) -> Iterator[Callable[[Window], Picture]]:
    """Open an image; the function returns the pixels of a window of it. Raises a subclass of `ImageFailed`.

    An image that is read by window is decoded once before, so that the function raises nothing.
    """
    with open_windows(image_bytes, limits) as windows:
        if windows is not None and windows.size[0] * windows.size[1] > limits.whole:
            windows.prepare()
            windows.check()
            yield windows.read
            return
    with open_picture(image_bytes, limits.whole, limits) as source:  # no side is longer than all pixels
        picture = source.read()
    yield lambda window: picture[window[1] : window[3], window[0] : window[2]]


def as_bytes(image: Image.Image) -> Image.Image:
    """Convert the image to 8 bits a channel, in a mode that can be resampled smoothly."""
    image.load()
    image.info.pop("transparency", None)
    stretch = stretch_of(image)
    if stretch is not None:
        grey = np.empty((image.height, image.width), dtype=np.uint8)
        for rows, strip in strips(image):
            grey[rows] = stretch(np.asarray(strip))
        return Image.fromarray(grey)
    if image.mode in {"L", "RGB", "CMYK", "YCbCr"}:
        return image
    return image.convert("L" if image.mode == "1" else "RGB")  # without alpha, which would darken neighbouring pixels
