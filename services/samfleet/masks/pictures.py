"""Small upright pictures of image files, made in about 5 bytes of memory per pixel of the file.

An image is downscaled before it is transposed and converted to RGB, because each of these steps copies it. Grey levels
of more than 8 bits are scaled as for the model (`samfleet.masks.greys`), some rows at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from samfleet.image_errors import ImageUnreadable
from samfleet.masks.greys import stretch_of, strips
from samfleet.masks.image_file import open_image, turn_after_loading

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
            small = _as_bytes(self.image)
            small.thumbnail((self.max_side, self.max_side), Image.Resampling.BILINEAR)
            upright = small if turn is None else small.transpose(turn)
            return np.array(upright.convert("RGB"))
        except MemoryError:
            raise
        except Exception as error:  # on damaged files Pillow's plugins raise nearly any exception
            raise ImageUnreadable(f"the image cannot be decoded ({error}); nothing can be drawn on it") from error


@contextmanager
def open_picture(image_bytes: bytes, max_side: int, max_pixels: int) -> Iterator[PictureSource]:
    """Open an image, reading only its header, and check its number of pixels.

    A JPEG will be decoded at a fraction of its size. Raises a subclass of `ImageFailed` that names the fault.
    """
    with open_image(image_bytes, max_pixels) as image:
        image.draft("RGB", (max_side, max_side))
        yield PictureSource(image, max_side)


def _as_bytes(image: Image.Image) -> Image.Image:
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
