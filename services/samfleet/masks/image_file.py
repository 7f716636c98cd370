"""Opening of image files and their upright size, with the same rules for the model, the worker and pictures.

Five formats are read. The orientation is that of EXIF, else of XMP, as a number or a text: "6" counts as 6. Unreadable
metadata count as missing.

Pillow transposes a TIFF while it loads the pixels, and reports the transposed size already before loading. It does
neither for other formats, nor for an orientation that is not a number.
"""

from __future__ import annotations

import io
from typing import Any

from PIL import ExifTags, Image, UnidentifiedImageError

from samfleet.image_errors import (
    ImageEmpty,
    ImageFailed,
    ImageFormatUnsupported,
    ImageTooLarge,
    ImageTruncated,
    ImageUnreadable,
)
from samfleet.masks.tiff import pixel_kind, stored_size

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")  # Pillow has many more
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
EXCHANGED = frozenset({5, 6, 7, 8})  # orientations that swap width and height
FOREIGN_SIGNATURES = {
    b"GIF8": "GIF",
    b"%PDF": "PDF",
    b"8BPS": "Photoshop",
    b"\x00\x00\x00\x0cjP": "JPEG 2000",
    b"\x00\x00\x01\x00": "icon",
    b"<svg": "SVG",
    b"<?xml": "XML",
}

# Limits are checked before decoding, per call. Pillow's limit is global, and its warning is not thread-safe.
Image.MAX_IMAGE_PIXELS = None


def open_image(data: bytes) -> Image.Image:
    """Open the image and read only its header. Raises a subclass of `ImageFailed` that names the fault."""
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
    except Exception as error:  # on damaged files Pillow's plugins raise nearly any exception
        raise ImageUnreadable(f"the image's header is damaged: {error}") from error


def upright_size(data: bytes, max_pixels: int) -> tuple[int, int]:
    """Return (width, height) in pixels of the upright image, from the header only. Raises like `open_image`."""
    with open_image(data) as image:
        check_pixels(image, max_pixels)
        width, height = stored_size(image) or image.size
        return (height, width) if _orientation(image) in EXCHANGED else (width, height)


def check_pixels(image: Image.Image, max_pixels: int) -> None:
    if image.width * image.height > max_pixels:
        raise ImageTooLarge(
            f"the image has {image.width} x {image.height} pixels, the limit is {max_pixels} in total; scale it down"
        )


def turn_after_loading(image: Image.Image) -> Image.Transpose | None:
    """Return the transposition that makes the image upright after its pixels are loaded, or None.

    Call it before loading: Pillow drops the orientation then.
    """
    if image.format == "TIFF" and _raw_orientation(image) in tuple(TURNS):
        return None
    return TURNS.get(_orientation(image))


def _orientation(image: Image.Image) -> int:
    try:
        return int(_raw_orientation(image))
    except (TypeError, ValueError, OverflowError):
        return 1


def _raw_orientation(image: Image.Image) -> Any:
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001 - damaged EXIF data raise nearly any exception, but the pixels may be fine
        return 1


def _unidentified(data: bytes) -> ImageFailed:
    foreign = next((name for magic, name in FOREIGN_SIGNATURES.items() if data.lstrip().startswith(magic)), None)
    if data[4:8] == b"ftyp":
        foreign = "HEIC or AVIF"
    if foreign:
        return ImageFormatUnsupported(f"the file is {foreign}; convert it to JPEG, PNG, WebP, BMP or TIFF")
    if kind := pixel_kind(data):
        return ImageFormatUnsupported(
            f"the file is a TIFF with pixels of {kind}, which cannot be read; convert it to 8 or 16 bits a channel, or "
            "to one channel of 32-bit floating point"
        )
    return ImageUnreadable("the file is not an image, or its header is damaged; JPEG, PNG, WebP, BMP and TIFF are read")
