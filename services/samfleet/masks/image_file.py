"""Opening of image files and their upright size, with the same rules for the model, the worker and pictures.

JPEG, PNG, WebP, BMP, TIFF and AVIF are read, and HEIC and JPEG XL with their plugins. The orientation is that of EXIF,
else of XMP, as a number or a text: "6" counts as 6. Unreadable metadata count as missing. docs/api.md lists the codes
of files that fail.

Pillow transposes a TIFF while it loads the pixels, and reports the transposed size already before loading. It does
neither for other formats, nor for an orientation that is not a number. The decoders of HEIC and JPEG XL turn the pixels
themselves.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from samfleet.image_errors import (
    ImageEmpty,
    ImageFailed,
    ImageFormatUnsupported,
    ImageTooLarge,
    ImageTruncated,
    ImageUnreadable,
)
from samfleet.masks import bmp, jpeg, jxl, plugins, png, tiff, webp
from samfleet.masks.tiff import stored_size

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")  # Pillow has many more; `plugins` has the others that are read
READ = "JPEG, PNG, WebP, BMP, TIFF or AVIF"
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

CHECKS: Mapping[bytes, Callable[[bytes], None]] = {jpeg.SIGNATURE: jpeg.check, bmp.SIGNATURE: bmp.check}
FAULTS: Mapping[bytes, Callable[[bytes], ImageFailed | None]] = {
    jpeg.SIGNATURE: jpeg.fault,
    png.SIGNATURE: png.fault,
    bmp.SIGNATURE: bmp.fault,
    **dict.fromkeys(tiff.SIGNATURES, tiff.fault),
}
ENDS_EARLY = ("truncated", "not enough image data")  # in Pillow's messages

# Limits are checked before decoding, per call. Pillow's limit is global, and its warning is not thread-safe.
Image.MAX_IMAGE_PIXELS = None
# Pillow warns about every damaged tag, and a file may have 65,535 of them: each would become a line of the log.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


def open_image(data: bytes, max_pixels: int) -> Image.Image:
    """Open the image and read only its header. Raises a subclass of `ImageFailed` that names the fault."""
    if not data:
        raise ImageEmpty
    for signature, check in CHECKS.items():
        if data.startswith(signature):
            check(data)
    if webp.is_webp(data):
        _check_webp(data, max_pixels)
    kind = plugins.kind_of(data)
    if kind and (size := plugins.prepare(kind, data)):
        check_pixels(size, max_pixels)
    file = io.BytesIO(png.needed_chunks(data) if data.startswith(png.SIGNATURE) else data)
    try:
        image = Image.open(file, formats=(kind.pillow,) if kind else FORMATS)
    except MemoryError:
        raise
    except Exception as error:  # on damaged files Pillow's plugins raise nearly any exception
        raise _fault_of(data, error) from error
    try:
        check_pixels(image.size, max_pixels)
    except ImageTooLarge:
        image.close()
        raise
    return image


def load_pixels(image: Image.Image, data: bytes) -> None:
    """Decode the pixels of an image that `open_image` opened from `data`.

    Raises `ImageTruncated` if pixels are missing, `ImageUnreadable` if they are damaged.
    """
    try:
        image.load()
        whole = image.format != "PNG" or not _ends_in_zeros(image) or png.has_all_rows(data)
    except MemoryError:
        raise
    except Exception as error:  # on damaged files Pillow's plugins raise nearly any exception
        if isinstance(error, EOFError) or any(words in str(error).lower() for words in ENDS_EARLY):
            raise ImageTruncated from error
        raise ImageUnreadable(f"the image's pixels cannot be decoded: {error}") from error
    if not whole:
        raise ImageTruncated


def upright_size(data: bytes, max_pixels: int) -> tuple[int, int]:
    """Return (width, height) in pixels of the upright image, from the header only. Raises like `open_image`."""
    if jxl.is_jxl(data):
        return _upright_jxl(data, max_pixels)
    with open_image(data, max_pixels) as image:
        width, height = stored_size(image) or image.size
        return (height, width) if _orientation(image) in EXCHANGED else (width, height)


def _upright_jxl(data: bytes, max_pixels: int) -> tuple[int, int]:
    """Return the size of a JPEG XL without opening it, because its plugin decodes the pixels then."""
    header = plugins.jxl_header(data)
    check_pixels((header.width, header.height), max_pixels)
    return (header.height, header.width) if header.orientation in EXCHANGED else (header.width, header.height)


def check_pixels(size: tuple[int, int], max_pixels: int) -> None:
    """Raise `ImageTooLarge` if (width, height) has more pixels than allowed."""
    width, height = size
    if width * height > max_pixels:
        raise ImageTooLarge(
            f"the image has {width} x {height} pixels, the limit is {max_pixels} in total; scale it down"
        )


def turn_after_loading(image: Image.Image) -> Image.Transpose | None:
    """Return the transposition that makes the image upright after its pixels are loaded, or None.

    Call it before loading: Pillow drops the orientation then.
    """
    if image.format == "TIFF" and _raw_orientation(image) in tuple(TURNS):
        return None
    return TURNS.get(_orientation(image))


def _orientation(image: Image.Image) -> int:
    if plugins.turns_itself(image):
        return 1
    try:
        return int(_raw_orientation(image))
    except (TypeError, ValueError, OverflowError):
        return 1


def _raw_orientation(image: Image.Image) -> Any:
    try:
        # Not the method of Pillow's PNG plugin, which decodes the pixels: their damage would count as that of metadata.
        return Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001 - damaged EXIF data raise nearly any exception, but the pixels may be fine
        return 1


def _check_webp(data: bytes, max_pixels: int) -> None:
    """Check the length and the canvas, before the decoder allocates memory for it."""
    if webp.is_cut(data):
        raise ImageTruncated
    if size := webp.canvas(data):
        check_pixels(size, max_pixels)


def _fault_of(data: bytes, error: Exception) -> ImageFailed:
    """Return the error of a file that Pillow does not open."""
    for signature, fault in FAULTS.items():
        if data.startswith(signature) and (found := fault(data)):
            return found
    if not isinstance(error, UnidentifiedImageError):
        return ImageUnreadable(f"the image's header is damaged: {error}")
    if kind := plugins.kind_of(data):
        return ImageUnreadable(f"the {kind.name} file is damaged")
    foreign = next((name for magic, name in FOREIGN_SIGNATURES.items() if data.lstrip().startswith(magic)), None)
    if data[4:8] == b"ftyp":
        foreign = "a video, or an image of an unknown kind"
    if foreign:
        return ImageFormatUnsupported(f"the file is {foreign}; convert it to {READ}")
    return ImageUnreadable(f"the file is not an image, or its header is damaged; convert it to {READ}")


def _ends_in_zeros(image: Image.Image) -> bool:
    """Return True if one of the last two rows has only zeros, as Pillow leaves rows for which there are no pixels."""
    rows = range(max(0, image.height - 2), image.height)
    return not all(np.asarray(image.crop((0, row, image.width, row + 1))).any() for row in rows)
