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


def read_image(data: bytes, max_pixels: int = DEFAULT_MAX_PIXELS) -> NDArray[np.uint8]:
    """Upright pixels of an image file: HWC uint8 RGB. Raises a subclass of `ImageFailed` that names the fault."""
    image = _open(data)
    with image:
        if image.width * image.height > max_pixels:
            raise ImageTooLarge(
                f"the image has {image.width} x {image.height} pixels, the limit is {max_pixels} in all; scale it down"
            )
        _load(image)
        turn = TURNS.get(_orientation(image))
        upright = image if turn is None else image.transpose(turn)
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
    if image.mode.startswith("I;16"):
        wide = np.asarray(image).astype(np.uint32)
        return _grey((wide * 255 + 32_767) // 65_535)
    if image.mode in {"I", "F"}:
        return _grey(_stretch(np.asarray(image).astype(np.float64)))
    try:
        return np.array(image.convert("RGB"))
    except ValueError as error:
        raise ImageFormatUnsupported(f"pixels of kind {image.mode} cannot become RGB; convert the image") from error


def _stretch(values: NDArray[np.float64]) -> NDArray[np.float64]:
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    clean = np.nan_to_num(values, nan=low, posinf=high, neginf=low)
    return np.rint((clean - low) * 255.0 / (high - low)) if high > low else np.zeros_like(clean)


def _grey(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    return np.repeat(values.astype(np.uint8)[:, :, None], 3, axis=2)
