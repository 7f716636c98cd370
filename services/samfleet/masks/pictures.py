"""Small upright pictures of image files, in about 5 bytes of memory per pixel of the file.

A file is made small before it is turned and made RGB, because each of these steps copies it. Greys beyond 8 bits are
scaled as the model sees them (`samfleet_models.images`), some rows at a time.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from samfleet.masks.image_errors import ImageTooLarge, ImageUnreadable

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")  # as the backend reads them; Pillow knows many more
ROWS = 256  # of a wide grey that are scaled at a time
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# The limit is checked before decoding and per call; Pillow's own is global and warns, unsafely among threads.
Image.MAX_IMAGE_PIXELS = None

Picture = NDArray[np.uint8]  # HW3, RGB


@dataclass(frozen=True, slots=True)
class PictureSource:
    """An image whose header is read; `pixels` will be decoded, `small_pixels` be left of them at most."""

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
            turn = TURNS.get(_orientation(self.image))
            small = _as_bytes(self.image)
            small.thumbnail((self.max_side, self.max_side), Image.Resampling.BILINEAR)
            upright = small if turn is None else small.transpose(turn)
            return np.array(upright.convert("RGB"))
        except MemoryError:
            raise
        except Exception as error:  # on damaged files Pillow's plugins raise nearly anything
            raise ImageUnreadable(f"the image cannot be decoded ({error}); nothing can be drawn on it") from error


@contextmanager
def open_picture(image_bytes: bytes, max_side: int, max_pixels: int) -> Iterator[PictureSource]:
    """The header alone is read here, and the number of pixels checked; a JPEG will be decoded at a fraction of it."""
    try:
        image = Image.open(io.BytesIO(image_bytes), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise ImageUnreadable(
            "the file is none of JPEG, PNG, WebP, BMP and TIFF; nothing can be drawn on it"
        ) from error
    except Exception as error:  # on damaged files Pillow's plugins raise nearly anything
        raise ImageUnreadable(f"the image's header is damaged ({error}); nothing can be drawn on it") from error
    with image:
        if image.width * image.height > max_pixels:
            raise ImageTooLarge(
                f"the image has {image.width} x {image.height} pixels, more than the limit of {max_pixels}"
            )
        image.draft("RGB", (max_side, max_side))
        yield PictureSource(image, max_side)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001 - damaged EXIF data raise nearly anything and say nothing about the pixels
        return 1


def _as_bytes(image: Image.Image) -> Image.Image:
    """With 8 bits a channel in a mode that can be made smaller smoothly."""
    image.load()
    image.info.pop("transparency", None)
    if image.mode.startswith("I;16"):
        return _scaled(image, 0.0, 65_535.0)
    if image.mode in {"I", "F"}:
        return _scaled(image, *_range(image))
    if image.mode in {"L", "RGB", "CMYK", "YCbCr"}:
        return image
    return image.convert("L" if image.mode == "1" else "RGB")  # alpha is dropped before it could darken its neighbours


def _scaled(image: Image.Image, low: float, high: float) -> Image.Image:
    grey = np.zeros((image.height, image.width), dtype=np.uint8)
    if high > low:
        for top, rows in _rows(image):
            clean = np.nan_to_num(rows, nan=low, posinf=high, neginf=low)
            grey[top : top + len(rows)] = np.rint((clean - low) * (255.0 / (high - low)))
    return Image.fromarray(grey)


def _range(image: Image.Image) -> tuple[float, float]:
    low, high = np.inf, -np.inf
    for _, rows in _rows(image):
        finite = rows[np.isfinite(rows)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    return low, high


def _rows(image: Image.Image) -> Iterator[tuple[int, NDArray[np.float64]]]:
    for top in range(0, image.height, ROWS):
        piece = image.crop((0, top, image.width, min(top + ROWS, image.height)))
        yield top, np.asarray(piece).astype(np.float64)
