"""Tags of TIFF files that Pillow does not expose: stored size, nodata value, pixel type."""

from __future__ import annotations

import io
import math
from typing import Any

from PIL import Image, TiffImagePlugin

BIG_TIFF = 43  # third byte of the header, which then has 16 bytes instead of 8
GDAL_NODATA = 42113  # a text such as "-32767", the value of pixels that were not measured
SAMPLE_KINDS = {1: "unsigned integers", 2: "signed integers", 3: "floating point", 5: "complex integers", 6: "complex"}
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


def pixel_kind(data: bytes) -> str | None:
    """Describe the pixel type of a TIFF that Pillow cannot read, such as "3 x 32 bits of floating point".

    Returns None for a readable type, a damaged file, and a file that is not a TIFF.
    """
    try:
        tags = _tags(data)
        samples = int(tags.get(TiffImagePlugin.SAMPLESPERPIXEL, 1))
        bits = {int(value) for value in tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,))}
        forms = {int(value) for value in tags.get(TiffImagePlugin.SAMPLEFORMAT, (1,))}
        whole = all(tags.get(tag) for tag in (TiffImagePlugin.IMAGEWIDTH, TiffImagePlugin.IMAGELENGTH)) and any(
            tag in tags for tag in (TiffImagePlugin.STRIPOFFSETS, TiffImagePlugin.TILEOFFSETS)
        )
    except Exception:  # noqa: BLE001 - on damaged files Pillow raises nearly any exception
        return None
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
