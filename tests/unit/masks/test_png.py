from __future__ import annotations

import zlib

import numpy as np
import pytest
from PIL import Image

from fixtures.images.corpus.entry import chunk, exif_of, flipped, photo
from fixtures.images.corpus.pngs import GREY, RGB, interlaced, png
from fixtures.images.encoded_images import encoded, rgb
from samfleet.image_errors import ImageUnreadable
from samfleet.masks.image_file import upright_size
from samfleet.masks.png import MOST_TEXT_BYTES, has_all_rows, needed_chunks
from samfleet_models.images.decode import read_image

XMP = b"XML:com.adobe.xmp\0"
TURNED = b'<x tiff:Orientation="6"/>'


def international(text: bytes, *, packed: bool) -> bytes:
    body = zlib.compress(text) if packed else text
    return chunk(b"iTXt", XMP + bytes([packed, 0]) + b"\0\0" + body)


def test_a_file_without_other_chunks_is_not_copied() -> None:
    data = encoded(photo())
    assert needed_chunks(data) is data


def test_texts_profiles_and_frames_are_left_out() -> None:
    others = [chunk(b"tEXt", b"a\0b"), chunk(b"iCCP", b"a\0\0b"), chunk(b"gAMA", bytes(4)), chunk(b"acTL", bytes(8))]
    assert needed_chunks(png(8, RGB, *others, behind=tuple(others))) == png(8, RGB)


@pytest.mark.parametrize("packed", [False, True])
def test_an_orientation_in_xmp_is_kept_and_comes_first(packed: bool) -> None:
    stating = international(TURNED, packed=packed)
    behind = png(8, RGB, behind=(chunk(b"tEXt", b"a\0b"), stating))
    assert needed_chunks(behind) == png(8, RGB, stating)
    assert upright_size(behind, 10_000) == (32, 48)
    assert read_image(behind).shape == (48, 32, 3)


def test_an_orientation_in_a_text_that_is_too_long_or_damaged_counts_as_missing() -> None:
    long = international(TURNED + bytes(MOST_TEXT_BYTES), packed=True)
    damaged = flipped(international(TURNED, packed=False), 30)
    noise = chunk(b"iTXt", XMP + b"\1\0\0\0no stream")
    for stating in (long, damaged, noise):
        assert read_image(png(8, RGB, stating)).shape == (32, 48, 3)


def test_the_exif_of_imagemagick_turns_the_image() -> None:
    exif = exif_of(6).tobytes()
    lines = exif.hex()
    text = f"\nexif\n{len(exif):8}\n{lines}\n".encode()
    data = png(8, RGB, chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text)))
    assert read_image(data).shape == (48, 32, 3)


def test_damaged_pixels_are_an_error_although_there_is_no_exif() -> None:
    """Pillow decodes the pixels while it looks for EXIF data, and a second load of such an image succeeds."""
    data = encoded(photo())
    damaged = flipped(data, data.index(b"IDAT") + 4)
    with pytest.raises(ImageUnreadable):
        read_image(damaged)
    assert upright_size(damaged, 10_000) == (48, 32)  # the header alone is whole, and no pixel is decoded


@pytest.mark.parametrize(("depth", "colour"), [(1, GREY), (8, GREY), (16, RGB)])
def test_missing_rows_are_noticed(depth: int, colour: int) -> None:
    for whole in (png(depth, colour), interlaced(depth, colour)):
        assert has_all_rows(whole)
        start, end = whole.index(b"IDAT"), whole.index(b"IEND") - 4
        rows = zlib.decompress(whole[start + 4 : end - 4])
        shorter = whole[: start - 4] + chunk(b"IDAT", zlib.compress(rows[:-1])) + whole[end:]
        assert not has_all_rows(shorter)


def test_black_rows_at_the_bottom_are_no_missing_rows() -> None:
    image = photo()
    image.paste((0, 0, 0), (0, 16, 48, 32))
    np.testing.assert_array_equal(read_image(encoded(image)), rgb(image))
    assert not read_image(encoded(Image.new("1", (9, 9)))).any()
