"""From an image file's bytes to upright RGB pixels.

The rules, for every file alike:

- JPEG, PNG, WebP, BMP and TIFF; of several pages or frames the first.
- The EXIF orientation is applied; unreadable EXIF data count as none.
- Grey, palette, 1-bit, YCbCr and CMYK become RGB as Pillow's `convert("RGB")` does; colour profiles are not applied.
- Alpha is dropped, not composited: the colours stored under transparent pixels show, as in the official reading.
- 16-bit grey is scaled to 8 bits (value / 257, rounded), where Pillow would clip; 16-bit colour keeps its high bytes.
- 32-bit integer and floating-point grey has no fixed white: its own range is stretched to 0..255.
- Pixels are counted in the header and refused above a limit before anything is decoded.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from samfleet.masks.image_errors import (
    ImageEmpty,
    ImageFailed,
    ImageFormatUnsupported,
    ImageTooLarge,
    ImageTruncated,
    ImageUnreadable,
)

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
DEFAULT_MAX_PIXELS = 100_000_000
DEFAULT_DECODE_PIXELS = 100_000_000  # a decoded image takes up to 16 bytes a pixel until it is RGB alone
STRIP_PIXELS = 2**20  # converted at a time: what is beside the pixels as Pillow holds them and as they are returned
FOREIGN_SIGNATURES = {
    b"GIF8": "GIF",
    b"%PDF": "PDF",
    b"8BPS": "Photoshop",
    b"\x00\x00\x00\x0cjP": "JPEG 2000",
    b"\x00\x00\x01\x00": "icon",
    b"<svg": "SVG",
    b"<?xml": "XML",
}
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# The limit here is checked before decoding and per call; Pillow's own is global and warns, unsafely among threads.
Image.MAX_IMAGE_PIXELS = None


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
    image = _open(data)
    with image:
        if image.width * image.height > max_pixels:
            raise ImageTooLarge(
                f"the image has {image.width} x {image.height} pixels, the limit is {max_pixels} in all; scale it down"
            )
        with budget.taken(image.width * image.height) if budget else nullcontext():
            _load(image)
            turn = TURNS.get(_orientation(image))
            if turn is None:
                return _to_rgb(image)
            with image.transpose(turn) as upright:
                image.close()  # or its pixels would be held beside those that are turned
                return _to_rgb(upright)


def _open(data: bytes) -> Image.Image:
    if not data:
        raise ImageEmpty
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP" and len(data) < 8 + int.from_bytes(data[4:8], "little"):
        raise ImageTruncated
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise _unidentified(data) from None
    except MemoryError:
        raise
    except Exception as error:  # on damaged files Pillow's plugins raise nearly anything
        raise ImageUnreadable(f"the image's header is damaged: {error}") from error


def _unidentified(data: bytes) -> ImageFailed:
    foreign = next((name for magic, name in FOREIGN_SIGNATURES.items() if data.lstrip().startswith(magic)), None)
    if data[4:8] == b"ftyp":
        foreign = "HEIC or AVIF"
    if foreign:
        return ImageFormatUnsupported(f"the file is {foreign}; convert it to JPEG, PNG, WebP, BMP or TIFF")
    return ImageUnreadable("the file is no image, or its header is damaged; JPEG, PNG, WebP, BMP and TIFF can be read")


def _load(image: Image.Image) -> None:
    try:
        image.load()
    except MemoryError:
        raise
    except Exception as error:  # on damaged files Pillow's plugins raise nearly anything
        if isinstance(error, EOFError) or "truncated" in str(error).lower():
            raise ImageTruncated from error
        raise ImageUnreadable(f"the image's pixels cannot be decoded: {error}") from error


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001 — damaged EXIF data raise nearly anything and say nothing about the pixels
        return 1


def _to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    image.info.pop("transparency", None)  # Pillow warns about palette transparency, which is dropped anyway
    rgb = np.empty((image.height, image.width, 3), dtype=np.uint8)
    convert = _conversion(image)
    for rows, strip in _strips(image):
        rgb[rows] = convert(strip)
    return rgb


def _strips(image: Image.Image) -> Iterator[tuple[slice, Image.Image]]:
    """Rows of the image, a bounded number of pixels at a time."""
    height = max(1, STRIP_PIXELS // image.width)
    if image.height <= height:
        yield slice(0, image.height), image
        return
    for top in range(0, image.height, height):
        rows = slice(top, min(top + height, image.height))
        yield rows, image.crop((0, rows.start, image.width, rows.stop))


def _conversion(image: Image.Image) -> Callable[[Image.Image], NDArray[np.uint8]]:
    """Return the function that makes [h, w, 3] or, of grey, [h, w, 1] of a strip of this image."""
    if image.mode.startswith("I;16"):
        return _scaled
    if image.mode in {"I", "F"}:
        low, high = _range(image)
        return lambda strip: _stretched(np.asarray(strip).astype(np.float64), low, high)
    return _colours


def _colours(strip: Image.Image) -> NDArray[np.uint8]:
    try:
        return np.asarray(strip.convert("RGB"))
    except ValueError as error:
        raise ImageFormatUnsupported(f"pixels of kind {strip.mode} cannot become RGB; convert the image") from error


def _scaled(strip: Image.Image) -> NDArray[np.uint8]:
    wide = np.asarray(strip).astype(np.uint32)
    return ((wide * 255 + 32_767) // 65_535).astype(np.uint8)[:, :, None]


def _range(image: Image.Image) -> tuple[float, float]:
    """The least and the greatest finite value; zeros where there is none."""
    ends = []
    for _, strip in _strips(image):
        values = np.asarray(strip)
        finite = values[np.isfinite(values)]
        if finite.size:
            ends += [float(finite.min()), float(finite.max())]
    return (min(ends), max(ends)) if ends else (0.0, 0.0)


def _stretched(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.uint8]:
    clean = np.nan_to_num(values, nan=low, posinf=high, neginf=low)
    if high <= low:
        return np.zeros((*clean.shape, 1), dtype=np.uint8)
    grey: NDArray[np.uint8] = np.rint((clean - low) * 255.0 / (high - low)).astype(np.uint8)
    return grey[:, :, None]
