"""Frames of files made here, compared with the pictures that they were made of."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fixtures.images.animations import BLUE, COLOURS, GREEN, RED, animated, colour_of, plain, saved
from samfleet.datasets.frames.limits import FrameLimits
from samfleet.datasets.frames.stills import open_stills
from samfleet.image_errors import (
    FrameMissing,
    ImageEmpty,
    ImageFailed,
    ImageTooLarge,
    ImageTruncated,
    ImageUnreadable,
    TooManyFrames,
)

LIMITS = FrameLimits()


def frames(data: bytes, limits: FrameLimits = LIMITS) -> list[np.ndarray[Any, Any]]:
    opened = open_stills(io.BytesIO(data), limits)
    return [np.asarray(Image.open(io.BytesIO(opened.read(index))).convert("RGB")) for index in opened.indices()]


def chain(pages: int, *, last: int = 0) -> bytes:
    """Return a TIFF whose pages have no pixels; the last one points to the address `last`."""
    tags = ((256, 4), (257, 4), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 4), (279, 16))
    page_bytes = 2 + 12 * len(tags) + 4
    made = bytearray(b"II*\0" + struct.pack("<I", 8))
    for page in range(pages):
        following = last if page == pages - 1 else 8 + (page + 1) * page_bytes
        made += struct.pack("<H", len(tags))
        made += b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
        made += struct.pack("<I", following)
    return bytes(made) + bytes(16)


def with_crc(made: bytes, place: int) -> bytes:
    """Return the PNG with a valid checksum of the chunk whose kind is at `place` and that has 8 bytes."""
    return made[: place + 12] + struct.pack(">I", zlib.crc32(made[place : place + 12])) + made[place + 16 :]


@pytest.mark.parametrize(
    ("form", "options"),
    [("TIFF", {}), ("GIF", {}), ("PNG", {}), ("WEBP", {"lossless": True}), ("AVIF", {"quality": 95})],
)
def test_every_frame_is_read(form: str, options: dict[str, Any]) -> None:
    found = frames(animated(form, **options))
    assert [frame.shape for frame in found] == [(6, 8, 3)] * len(COLOURS)
    for frame, colour in zip(found, COLOURS, strict=True):
        np.testing.assert_allclose(frame[3, 4], colour, atol=3)


def test_frames_may_be_read_in_any_order() -> None:
    opened = open_stills(io.BytesIO(animated("GIF")), LIMITS)
    for index in (3, 1, 0, 2, 2, 0):
        assert colour_of(opened.read(index)) == COLOURS[index]
    with pytest.raises(FrameMissing, match="no frame 4; it has 4"):
        opened.read(4)


def test_pages_have_their_own_size_depth_and_orientation() -> None:
    deep = Image.fromarray(np.linspace(0, 65_535, 48, dtype=np.uint16).reshape(6, 8))
    real = Image.fromarray(np.linspace(-3, 9, 48, dtype=np.float32).reshape(6, 8))
    turned = plain(RED, (5, 9))
    turned.putpixel((0, 0), BLUE)
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    turned.save(file, "TIFF", exif=exif)
    found = frames(saved([plain(GREEN, (3, 2)), deep, real, Image.open(io.BytesIO(file.getvalue()))], "TIFF"))
    assert [frame.shape[:2] for frame in found[:3]] == [(2, 3), (6, 8), (6, 8)]
    assert (found[1][0, 0, 0], found[1][-1, -1, 0]) == (0, 255)
    assert (found[2][0, 0, 0], found[2][-1, -1, 0]) == (0, 255)
    assert found[3].shape[:2] == (5, 9)  # Pillow turned it when it was read, and wrote it upright


def test_orientation_of_an_animation_is_applied_to_each_frame() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert [frame.shape[:2] for frame in frames(animated("WEBP", lossless=True, exif=exif))] == [(8, 6)] * 4


def test_pages_of_lower_resolution_and_masks_are_left_out() -> None:
    pages = bytearray(chain(4))
    page_bytes = 2 + 12 * 9 + 4
    for page, kind in ((1, 1), (3, 4)):  # the tag of the width becomes the kind of the page, as its tags are sorted
        place = 8 + page * page_bytes + 2
        pages[place : place + 12] = struct.pack("<HHII", 254, 4, 1, kind)
    opened = open_stills(io.BytesIO(bytes(pages)), LIMITS)
    assert list(opened.indices()) == [0, 1]  # a page without a width cannot be read, and is the last one


def test_chain_of_pages_that_never_ends() -> None:
    limits = FrameLimits(frames=20)
    assert len(open_stills(io.BytesIO(chain(20)), limits).indices()) == 20
    with pytest.raises(TooManyFrames, match="more than 20 frames"):
        open_stills(io.BytesIO(chain(21)), limits).indices()
    with pytest.raises(TooManyFrames):
        open_stills(io.BytesIO(chain(21)), limits).read(20)
    assert len(open_stills(io.BytesIO(chain(3, last=8)), limits).indices()) == 3  # back to the first page


def test_page_beyond_the_end_of_the_file_is_an_image_that_fails() -> None:
    opened = open_stills(io.BytesIO(chain(2, last=100_000)), LIMITS)
    assert list(opened.indices()) == [0, 1, 2]
    with pytest.raises(ImageFailed) as caught:
        opened.read(2)
    assert caught.value.code in {"image_unreadable", "image_truncated"}


def test_animations_have_limits() -> None:
    for form in ("GIF", "PNG", "WEBP"):
        with pytest.raises(TooManyFrames):
            frames(animated(form), FrameLimits(frames=3))
        assert len(frames(animated(form), FrameLimits(frames=4))) == 4
        with pytest.raises(ImageTooLarge):
            frames(animated(form), FrameLimits(pixels=47))
    with pytest.raises(ImageTooLarge, match="larger than 20 bytes"):
        frames(animated("WEBP"), FrameLimits(whole_bytes=20))


def test_frame_larger_than_its_canvas_is_refused_before_it_is_decoded() -> None:
    made = bytearray(animated("GIF"))
    place = made.rindex(b"\x2c\0\0\0\0\x08\0\x06\0")
    made[place + 5 : place + 9] = b"\xff\xff\xff\xff"
    with pytest.raises(ImageTooLarge, match="65535 x 65535"):
        frames(bytes(made))


def test_stated_number_of_frames_counts_although_there_are_fewer() -> None:
    made = animated("PNG")
    place = made.index(b"acTL") + 4
    with pytest.raises(TooManyFrames):
        frames(with_crc(made[:place] + struct.pack(">I", 2**31 - 1) + made[place + 4 :], place - 4))


@pytest.mark.parametrize("form", ["TIFF", "GIF", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 0.99])
def test_damaged_files_fail_with_a_code(form: str, keep: float) -> None:
    made = animated(form)
    cut = made[: int(len(made) * keep)]
    try:
        opened = open_stills(io.BytesIO(cut), LIMITS)
        indices = opened.indices()
    except ImageFailed:
        return
    for index in indices:
        try:
            opened.read(index)
        except ImageFailed as error:
            assert error.code in {"image_truncated", "image_unreadable", "frame_missing"}  # noqa: PT017


def test_files_that_are_no_images() -> None:
    with pytest.raises(ImageEmpty):
        open_stills(io.BytesIO(b""), LIMITS)
    with pytest.raises(ImageUnreadable):
        open_stills(io.BytesIO(b"not an image"), LIMITS)
    with pytest.raises(ImageTruncated):
        open_stills(io.BytesIO(b"GIF89a"), LIMITS)
