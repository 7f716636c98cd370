from __future__ import annotations

import pytest

from fixtures.images.corpus.entry import photo
from fixtures.images.corpus.jpegs import APP1, many_scans, with_components, with_frame, with_segment
from fixtures.images.encoded_images import encoded
from samfleet.image_errors import ImageFormatUnsupported, ImageUnreadable
from samfleet.masks import jpeg
from samfleet_models.images.decode import read_image


def test_scans_are_counted_in_the_image_alone() -> None:
    """Markers in metadata and behind the end, such as in the video of a motion photo, are none."""
    markers = b"\xff\xda" * (jpeg.MOST_SCANS + 1)
    data = with_segment(encoded(photo(), "JPEG"), APP1, markers) + markers
    jpeg.check(data)
    assert read_image(data).shape == (32, 48, 3)


def test_too_many_scans_are_refused_before_decoding() -> None:
    written = many_scans(1).count(b"\xff\xda")
    most = 1 + jpeg.MOST_SCANS - written
    jpeg.check(many_scans(most))
    with pytest.raises(ImageUnreadable, match="more than 100 scans"):
        jpeg.check(many_scans(most + 1))


@pytest.mark.parametrize("pieces", [b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\xff\xff\xff", b"\xff\xd8\x00\x00"])
def test_a_check_of_a_cut_file_ends(pieces: bytes) -> None:
    jpeg.check(pieces)


def test_kinds_that_are_not_read_are_named() -> None:
    plain = encoded(photo(), "JPEG")
    for data, kind in (
        (with_frame(plain, precision=12), "12 bits a channel"),
        (with_components(plain, 2), "2 channels"),
    ):
        with pytest.raises(ImageFormatUnsupported, match=f"a JPEG with {kind}; convert"):
            read_image(data)
