from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from fixtures.images.encoded_images import encoded, gradient, tiff
from samfleet.image_errors import (
    ImageEmpty,
    ImageFailed,
    ImageFormatUnsupported,
    ImageTooLarge,
    ImageTruncated,
    ImageUnreadable,
)
from samfleet.masks.image_file import upright_size
from samfleet.masks.overlay import render_overlay
from samfleet_models.images.decode import read_image

LIMIT = 100
ORIENTATION = 0x0112
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description tiff:Orientation="%d"/></rdf:RDF></x:xmpmeta>'


def exif_of(orientation: int | str | None) -> bytes:
    """Return Exif data with this orientation; a text makes a tag of type ASCII, which Pillow alone does not write."""
    if not isinstance(orientation, str):
        exif = Image.Exif()
        if orientation is not None:
            exif[ORIENTATION] = orientation
        return exif.tobytes()
    text = orientation.encode() + b"\0"
    place = text.ljust(4, b"\0") if len(text) <= 4 else struct.pack("<I", 26)
    entry = struct.pack("<HHI", ORIENTATION, 2, len(text)) + place
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 0) + text


def turned(kind: str, orientation: int | str | None) -> bytes:
    """Return an image file of 40 x 30 stored pixels with an orientation."""
    exif = exif_of(orientation)
    options = {"lossless": True} if kind == "WEBP" else {}
    return encoded(gradient(), kind, exif=exif, **options)


def drawn(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(render_overlay(data, [])))


def assert_one_size(data: bytes, size: tuple[int, int]) -> None:
    """Check that the worker, the model and the picture agree on the upright size, the last two on the pixels too."""
    pixels = read_image(data)
    assert upright_size(data, 10_000) == size
    assert (pixels.shape[1], pixels.shape[0]) == size
    picture = drawn(data)
    assert picture.size == size
    assert np.abs(np.asarray(picture).astype(int) - pixels).max() <= 3  # a JPEG is drawn at another scale of its DCT


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", [None, *range(1, 10)])
def test_every_part_agrees_on_the_upright_size(kind: str, orientation: int | None) -> None:
    assert_one_size(turned(kind, orientation), (30, 40) if orientation in {5, 6, 7, 8} else (40, 30))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(("orientation", "size"), [("6", (30, 40)), ("3", (40, 30)), ("no number", (40, 30))])
def test_every_part_reads_an_orientation_stored_as_text(kind: str, orientation: str, size: tuple[int, int]) -> None:
    assert_one_size(turned(kind, orientation), size)


def test_every_part_reads_an_orientation_stored_as_text_in_a_tiff_tag() -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags.tagtype[ORIENTATION] = 2
    tags[ORIENTATION] = "6"
    assert_one_size(encoded(gradient(), "TIFF", tiffinfo=tags), (30, 40))


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "WEBP"])  # for PNG see test_png
@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_every_part_reads_an_orientation_stored_only_in_xmp(kind: str, orientation: int) -> None:
    packet = XMP % orientation
    if kind == "TIFF":
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags.tagtype[700] = 1
        tags[700] = packet
        data = encoded(gradient(), kind, tiffinfo=tags)
    else:
        data = encoded(gradient(), kind, xmp=packet)
    assert_one_size(data, (40, 30) if orientation == 3 else (30, 40))


def test_sizes_are_checked_before_decoding() -> None:
    with pytest.raises(ImageTooLarge, match="11 x 10 pixels"):
        upright_size(encoded(Image.new("RGB", (11, 10))), LIMIT)
    huge = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + (50_000).to_bytes(4) * 2 + b"\x08\x02\x00\x00\x00\x7a\x6d\x09\xd6"
    with pytest.raises(ImageFailed):
        upright_size(huge, LIMIT)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", ImageEmpty),
        (b"not an image", ImageUnreadable),
        (b"%PDF-1.7", ImageFormatUnsupported),
        (b"RIFF\xff\x00\x00\x00WEBPVP8 ", ImageTruncated),
    ],
)
def test_every_part_gives_the_same_error_for_a_file_that_is_no_image(data: bytes, error: type[ImageFailed]) -> None:
    for part in (lambda: upright_size(data, LIMIT), lambda: read_image(data), lambda: render_overlay(data, [])):
        with pytest.raises(error):
            part()


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.zeros((4, 5, 3), np.float32), "3 x 32 bits of floating point"),
        (np.zeros((4, 5), np.float64), "64 bits of floating point"),
        (np.zeros((4, 5), np.float16), "16 bits of floating point"),
        (np.zeros((4, 5, 3), np.int16), "3 x 16 bits of signed integers"),
        (np.zeros((4, 5), np.complex64), "64 bits of complex"),
        (np.zeros((4, 5), np.uint64), "64 bits of unsigned integers"),
    ],
)
def test_unsupported_pixel_formats_are_named(values: NDArray[Any], kind: str, bigtiff: bool) -> None:
    colour = {"photometric": "rgb"} if values.ndim == 3 else {}
    data = tiff(values, bigtiff=bigtiff, **colour)
    for part in (lambda: upright_size(data, LIMIT), lambda: read_image(data), lambda: render_overlay(data, [])):
        with pytest.raises(ImageFormatUnsupported, match=f"pixels of {kind}, which"):
            part()


def test_a_tiff_whose_tags_lie_beyond_its_end_is_truncated() -> None:
    with pytest.raises(ImageTruncated):
        read_image(b"II*\x00\xff\xff\xff\xff")
