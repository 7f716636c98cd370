"""Headers that are read before Pillow: sizes that would cost memory, kinds that are not read, cuts."""

from __future__ import annotations

import pytest

from fixtures.images.corpus.bmps import PNG_INSIDE, bmp
from fixtures.images.corpus.entry import photo
from fixtures.images.corpus.tiffs import COMPRESSION, by_hand
from fixtures.images.corpus.webps import extended
from fixtures.images.encoded_images import encoded
from samfleet.image_errors import ImageFormatUnsupported, ImageTooLarge, ImageTruncated, ImageUnreadable
from samfleet.masks import bmp as bmp_headers
from samfleet.masks import webp
from samfleet.masks.image_file import open_image
from samfleet.masks.tiff import fault

MAX_PIXELS = 10_000


@pytest.mark.parametrize("lossless", [False, True])
def test_the_canvas_of_a_webp_is_read_from_its_header(lossless: bool) -> None:
    data = encoded(photo(), "WEBP", lossless=lossless)
    assert webp.canvas(data) == (48, 32)
    assert webp.canvas(extended(2**24, 7, data[12:])) == (2**24, 7)
    assert webp.canvas(data[:20]) is None


def test_a_webp_with_a_huge_canvas_is_refused_before_its_decoder_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def allocate(_data: bytes) -> None:
        raise AssertionError("the decoder allocates two canvases")

    monkeypatch.setattr("PIL.WebPImagePlugin._webp.WebPAnimDecoder", allocate)
    with pytest.raises(ImageTooLarge, match="16383 x 16383 pixels"):
        open_image(extended(16_383, 16_383, encoded(photo(), "WEBP")[12:]), MAX_PIXELS)


def test_the_kind_of_a_bmp_that_is_not_read_is_named() -> None:
    with pytest.raises(ImageFormatUnsupported, match="a BMP with a PNG inside; convert"):
        open_image(bmp(24, compression=PNG_INSIDE), MAX_PIXELS)
    with pytest.raises(ImageUnreadable, match="negative width"):
        bmp_headers.check(bmp(24, width=-9))


def test_the_compression_of_a_tiff_that_is_not_read_is_named() -> None:
    with pytest.raises(ImageFormatUnsupported, match="compression 34712; convert"):
        open_image(by_hand({COMPRESSION: 34_712}), MAX_PIXELS)


@pytest.mark.parametrize(
    "data", [b"II*\0", b"MM\0*\0\0\0\x08\0\x01", b"II+\0\x08\0\0\0", b"MM\0+" + bytes(4) + b"\xff" * 8]
)
def test_a_tiff_that_ends_before_its_directory_is_truncated(data: bytes) -> None:
    assert isinstance(fault(data), ImageTruncated)
