"""Tags of TIFF files that Pillow does not expose: stored size, nodata value, and why a file is not opened."""

from __future__ import annotations

import io
import math
from typing import Any, Literal

from PIL import ExifTags, Image, TiffImagePlugin

from samfleet.image_errors import ImageFailed, ImageFormatUnsupported, ImageTruncated

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
BIG_TIFF = 43  # third byte of the header, which then has 16 bytes instead of 8
GDAL_NODATA = 42113  # a text such as "-32767", the value of pixels that were not measured
GEO_KEYS = 34735
SAMPLE_KINDS = {1: "unsigned integers", 2: "signed integers", 3: "floating point", 5: "complex integers", 6: "complex"}
BLACK_IS_ZERO, RGB, YCBCR = 1, 2, 6  # photometric interpretations
JPEG = 7  # compression
MOST_BITS = 256  # of one value; a file that states more is damaged
READABLE = {(len(bits), bits[0], form[0]) for _, _, form, _, bits, _ in TiffImagePlugin.OPEN_INFO}


def stored_size(image: Image.Image) -> tuple[int, int] | None:
    """Return (width, height) in pixels as stored in a TIFF, before any transposition; None for other formats."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return None
    width, height = (image.tag_v2.get(tag) for tag in (TiffImagePlugin.IMAGEWIDTH, TiffImagePlugin.IMAGELENGTH))
    return (width, height) if type(width) is int and type(height) is int else None


def nodata(image: Image.Image) -> float | None:
    """Return a GeoTIFF's value of pixels without data; None if it has none or the value is not finite."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return None
    try:
        value = float(str(image.tag_v2[GDAL_NODATA]).strip("\0 "))
    except (KeyError, ValueError):  # no such tag, or a text that is not a number
        return None
    return value if math.isfinite(value) else None


def is_upright(data: bytes) -> bool:
    """Return True if the first page's pixels are grey from black to white or RGB, of whole bytes, and not turned.

    YCbCr counts as RGB in a JPEG, whose decoder converts it. False for a damaged file.
    """
    try:
        tags = _tags(data)
        kind = int(tags[TiffImagePlugin.PHOTOMETRIC_INTERPRETATION])
        in_jpeg = int(tags.get(TiffImagePlugin.COMPRESSION, 1)) == JPEG
        whole_bytes = all(int(bits) % 8 == 0 for bits in tags[TiffImagePlugin.BITSPERSAMPLE])
        turned = int(tags.get(ExifTags.Base.Orientation, 1)) != 1
    except Exception:  # noqa: BLE001 - on damaged files Pillow raises nearly any exception
        return False
    return whole_bytes and not turned and (kind in {BLACK_IS_ZERO, RGB} or (kind == YCBCR and in_jpeg))


def has_geo_keys(data: bytes) -> bool:
    """Return True if the file is a GeoTIFF whose pixels are not turned; False for a damaged file."""
    try:
        tags = _tags(data)
        return GEO_KEYS in tags and int(tags.get(ExifTags.Base.Orientation, 1)) == 1
    except Exception:  # noqa: BLE001 - on damaged files Pillow raises nearly any exception
        return False


def fault(data: bytes) -> ImageFailed | None:
    """Return the fault of a file that Pillow does not open; None if it is damaged in another way."""
    big = data[2:4] in (b"+\0", b"\0+")
    count_bytes, entry_bytes, header_bytes = (8, 20, 16) if big else (2, 12, 8)
    order: Literal["little", "big"] = "little" if data[:1] == b"I" else "big"
    start = int.from_bytes(data[8:16] if big else data[4:8], order)
    entries = int.from_bytes(data[start : start + count_bytes], order)
    if len(data) < max(header_bytes, start + count_bytes + entries * entry_bytes):
        return ImageTruncated()
    return _unread_kind(data)


def _unread_kind(data: bytes) -> ImageFormatUnsupported | None:
    """Return the error of a TIFF whose pixel type or compression cannot be read; None if that is not the fault."""
    try:
        tags = _tags(data)
        kind = _pixel_kind(tags)
        compression = tags.get(TiffImagePlugin.COMPRESSION, 1)
    except Exception:  # noqa: BLE001 - on damaged files Pillow raises nearly any exception
        return None
    if kind:
        return ImageFormatUnsupported(
            f"the file is a TIFF with pixels of {kind}, which cannot be read; convert it to 8 or 16 bits a channel, or "
            "to one channel of 32-bit floating point"
        )
    if compression not in TiffImagePlugin.COMPRESSION_INFO:
        return ImageFormatUnsupported(f"the file is a TIFF with compression {compression}; convert it to deflate")
    return None


def _pixel_kind(tags: dict[int, Any]) -> str | None:
    """Describe a pixel type that Pillow cannot read, such as "3 x 32 bits of floating point"."""
    samples = int(tags.get(TiffImagePlugin.SAMPLESPERPIXEL, 1))
    bits = {int(value) for value in tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,))}
    forms = {int(value) for value in tags.get(TiffImagePlugin.SAMPLEFORMAT, (1,))}
    whole = all(tags.get(tag) for tag in (TiffImagePlugin.IMAGEWIDTH, TiffImagePlugin.IMAGELENGTH)) and any(
        tag in tags for tag in (TiffImagePlugin.STRIPOFFSETS, TiffImagePlugin.TILEOFFSETS)
    )
    if not whole or samples < 1 or not 0 < max(bits) <= MOST_BITS:
        return None
    if len(bits) > 1 or len(forms) > 1:
        return "mixed kinds"
    kind = SAMPLE_KINDS.get(min(forms), "an unknown kind")
    if (samples, min(bits), min(forms)) in READABLE:
        return None
    return f"{f'{samples} x ' if samples > 1 else ''}{min(bits)} bits of {kind}"


def _tags(data: bytes) -> dict[int, Any]:
    header = data[: 16 if data[2:3] == bytes([BIG_TIFF]) else 8]
    directory = TiffImagePlugin.ImageFileDirectory_v2(header)
    file = io.BytesIO(data)
    file.seek(directory.next)
    directory.load(file)
    return dict(directory)
