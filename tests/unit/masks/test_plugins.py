"""AVIF, HEIC and JPEG XL before a decoder runs."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from fixtures.images.corpus.avifs import box, of_size
from fixtures.images.corpus.entry import photo
from fixtures.images.encoded_images import encoded
from samfleet.datasets.names import IMAGE_SUFFIXES, is_image_name
from samfleet.image_errors import ImageFormatUnsupported, ImageTooLarge
from samfleet.masks import isobmff, jxl
from samfleet.masks.image_file import open_image, upright_size
from samfleet_models.images.decode import read_image

# Headers that libjxl wrote: 24 x 8 pixels; 96 x 64 with a ratio; a JPEG of 96 x 64 with orientation 6, in boxes.
PLAIN = bytes.fromhex("ff0a01048804080001003c004b188b15805df2ff000c12b2d04102")
TURNED = bytes.fromhex("ff0a0184056202000001e36a627264c070db008220082d0302402200")
HEIC = box(b"ftyp", b"heic" + bytes(4) + b"mif1heic")


def in_boxes(stream: bytes, cut_at: int) -> bytes:
    parts = [b"\0\0\0\0" + stream[:cut_at], b"\x80\0\0\1" + stream[cut_at:]]
    return jxl.CONTAINER + box(b"ftyp", b"jxl \0\0\0\0jxl ") + b"".join(box(b"jxlp", part) for part in parts)


@pytest.mark.parametrize("cut_at", [2, 3, 20])
def test_the_header_of_a_jpeg_xl_is_read_wherever_it_lies(cut_at: int) -> None:
    assert jxl.header(PLAIN) == jxl.Header(24, 8, 1)
    assert jxl.header(TURNED) == jxl.Header(24, 8, 6)
    assert jxl.header(in_boxes(TURNED, cut_at)) == jxl.Header(24, 8, 6)
    whole = jxl.CONTAINER + box(b"jxlc", PLAIN)
    assert jxl.header(whole) == jxl.Header(24, 8, 1)


@pytest.mark.parametrize("data", [PLAIN[:2], PLAIN[:3], jxl.CONTAINER, jxl.CONTAINER + box(b"jxlc", b"\xff\x0b123")])
def test_a_jpeg_xl_without_a_whole_header_has_no_size(data: bytes) -> None:
    assert jxl.header(data) is None


def test_a_container_is_cut_when_a_box_ends_behind_the_file() -> None:
    whole = in_boxes(PLAIN, 10)
    assert [jxl.is_cut(data) for data in (whole, whole[:-1], PLAIN[:9])] == [False, True, False]


@pytest.mark.skipif(find_spec("pillow_heif") is not None, reason="the plugin of HEIC is installed")
@pytest.mark.parametrize(("data", "name"), [(HEIC, "HEIC"), (PLAIN, "JPEG XL"), (in_boxes(PLAIN, 9), "JPEG XL")])
def test_a_format_without_its_plugin_says_what_to_install(data: bytes, name: str) -> None:
    for part in (open_image, upright_size):
        with pytest.raises(ImageFormatUnsupported, match=rf"is {name}, .* install samfleet\[formats\]"):
            part(data, 10_000)
    assert not is_image_name("photo.heic")
    assert ".avif" in IMAGE_SUFFIXES


def test_an_avif_with_a_huge_size_is_refused_before_its_decoder_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(*_arguments: object) -> None:
        raise AssertionError("the decoder was made")

    monkeypatch.setattr("PIL.AvifImagePlugin._avif.AvifDecoder", decode)
    with pytest.raises(ImageTooLarge, match="30000 x 30000 pixels"):
        open_image(of_size(encoded(photo(), "AVIF"), 30_000, 30_000), 10_000)


def test_a_sequence_shows_its_first_picture() -> None:
    first = encoded(photo(), "AVIF", quality=100)
    several = encoded(photo(), "AVIF", quality=100, save_all=True, append_images=[photo().rotate(180)])
    difference = np.abs(read_image(several).astype(int) - read_image(first))
    assert difference.mean() < 2  # grey levels: the encoder treats pictures of a sequence otherwise


def test_the_largest_of_several_sizes_counts() -> None:
    sizes = b"".join(box(isobmff.SPATIAL_EXTENTS[:4], bytes(4) + bytes([0, 0, 0, w, 0, 0, 0, 9])) for w in (5, 200, 7))
    assert isobmff.largest(HEIC + box(b"meta", bytes(4) + sizes)) == (200, 9)
    assert isobmff.largest(HEIC + box(b"mdat", sizes)) is None


def test_brands_decide_between_avif_and_heic() -> None:
    avif = box(b"ftyp", b"mif1" + bytes(4) + b"mif1avif")
    assert (isobmff.is_avif(avif), isobmff.is_heif(avif)) == (True, False)
    assert (isobmff.is_avif(HEIC), isobmff.is_heif(HEIC)) == (False, True)
    assert not isobmff.brands(b"\0\0\0\x14moov" + bytes(20))
