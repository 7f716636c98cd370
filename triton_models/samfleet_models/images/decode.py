"""Decodes an image file's bytes to upright RGB pixels.

The rules for all files:

- JPEG, PNG, WebP, BMP, TIFF and AVIF, and HEIC and JPEG XL where their plugins are installed; of several pages or
  frames the first, or the one that the file calls its main picture.
- The orientation is applied; unreadable EXIF data are ignored (`samfleet.masks.image_file`).
- Grey, palette, 1-bit, YCbCr and CMYK become RGB as in Pillow's `convert("RGB")`; colour profiles are not applied.
- Alpha is dropped, not composited: the colours stored under transparent pixels show, as in the official code.
- Grey of more than 8 bits is scaled or stretched (`samfleet.masks.greys`), where Pillow would clip; 16-bit colour keeps
  its high bytes.
- Pixels are counted in the header, and an image above the limit is refused before anything is decoded.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from samfleet.image_errors import ImageFormatUnsupported
from samfleet.masks.greys import Stretch, stretch_of, strips
from samfleet.masks.image_file import load_pixels, open_image, turn_after_loading

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".avif"})  # taken from a folder
DEFAULT_MAX_PIXELS = 100_000_000
DEFAULT_DECODE_PIXELS = 100_000_000  # a decoded image takes up to 16 bytes a pixel until only RGB is left


class PixelBudget:
    """Bounds the total pixels of images that are decoded at the same time. An image above the budget is decoded alone.

    Thread-safe.
    """

    def __init__(self, pixels: int) -> None:
        self._pixels = pixels
        self._taken = 0
        self._freed = threading.Condition()

    @contextmanager
    def taken(self, pixels: int) -> Iterator[None]:
        """Wait until `pixels` fit into the budget, and reserve them for the block."""
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
    """Return the upright pixels of an image file: HWC uint8 RGB.

    Raises a subclass of `ImageFailed` that names the fault. Images that are decoded at the same time share the
    `budget`.
    """
    with (
        open_image(data, max_pixels) as image,
        budget.taken(image.width * image.height) if budget else nullcontext(),
    ):
        turn = turn_after_loading(image)
        load_pixels(image, data)
        stretch = stretch_of(image)
        if turn is None:
            return _to_rgb(image, stretch)
        with image.transpose(turn) as upright:
            image.close()  # frees its pixels while the transposed ones are converted
            return _to_rgb(upright, stretch)


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
        raise ImageFormatUnsupported(
            f"pixels of mode {strip.mode} cannot be converted to RGB; convert the image"
        ) from error
