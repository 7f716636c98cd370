"""From an image file's bytes to upright RGB pixels.

The rules, for every file alike:

- JPEG, PNG, WebP, BMP and TIFF; of several pages or frames the first.
- The orientation is applied; unreadable EXIF data count as none (`samfleet.masks.image_file`).
- Grey, palette, 1-bit, YCbCr and CMYK become RGB as Pillow's `convert("RGB")` does; colour profiles are not applied.
- Alpha is dropped, not composited: the colours stored under transparent pixels show, as in the official reading.
- Grey of more than 8 bits is scaled or stretched (`samfleet.masks.greys`), where Pillow would clip; 16-bit colour keeps
  its high bytes.
- Pixels are counted in the header and refused above a limit before anything is decoded.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from samfleet.image_errors import ImageFormatUnsupported, ImageTruncated, ImageUnreadable
from samfleet.masks.greys import Stretch, stretch_of, strips
from samfleet.masks.image_file import check_pixels, open_image, turn_after_loading

DEFAULT_MAX_PIXELS = 100_000_000
DEFAULT_DECODE_PIXELS = 100_000_000  # a decoded image takes up to 16 bytes a pixel until it is RGB alone


class PixelBudget:
    """Bounds the pixels of all images that are decoded at the same time. One larger than the budget is decoded alone.

    For any number of threads.
    """

    def __init__(self, pixels: int) -> None:
        self._pixels = pixels
        self._taken = 0
        self._freed = threading.Condition()

    @contextmanager
    def taken(self, pixels: int) -> Iterator[None]:
        """Waits until there is room for so many pixels, and holds it for the block."""
        pixels = min(pixels, self._pixels)
        with self._freed:
            self._freed.wait_for(lambda: self._taken + pixels <= self._pixels)
            self._taken += pixels
        try:
            yield
        finally:
            with self._freed:
                self._taken -= pixels
                self._freed.notify_all()


def read_image(
    data: bytes, max_pixels: int = DEFAULT_MAX_PIXELS, budget: PixelBudget | None = None
) -> NDArray[np.uint8]:
    """Upright pixels of an image file: HWC uint8 RGB. Raises a subclass of `ImageFailed` that names the fault.

    The `budget` is what images decoded at the same time share.
    """
    with open_image(data) as image:
        check_pixels(image, max_pixels)
        with budget.taken(image.width * image.height) if budget else nullcontext():
            turn = turn_after_loading(image)
            _load(image)
            stretch = stretch_of(image)
            if turn is None:
                return _to_rgb(image, stretch)
            with image.transpose(turn) as upright:
                image.close()  # or its pixels would be held beside those that are turned
                return _to_rgb(upright, stretch)


def _load(image: Image.Image) -> None:
    try:
        image.load()
    except MemoryError:
        raise
    except Exception as error:  # on damaged files Pillow's plugins raise nearly anything
        if isinstance(error, EOFError) or "truncated" in str(error).lower():
            raise ImageTruncated from error
        raise ImageUnreadable(f"the image's pixels cannot be decoded: {error}") from error


def _to_rgb(image: Image.Image, stretch: Stretch | None) -> NDArray[np.uint8]:
    image.info.pop("transparency", None)  # Pillow warns about palette transparency, which is dropped anyway
    rgb = np.empty((image.height, image.width, 3), dtype=np.uint8)
    for rows, strip in strips(image):
        rgb[rows] = _colours(strip) if stretch is None else stretch(np.asarray(strip))[:, :, None]
    return rgb


def _colours(strip: Image.Image) -> NDArray[np.uint8]:
    try:
        return np.asarray(strip.convert("RGB"))
    except ValueError as error:
        raise ImageFormatUnsupported(f"pixels of kind {strip.mode} cannot become RGB; convert the image") from error
