from __future__ import annotations

import io

import pytest
from PIL import Image

from samfleet.masks.image_errors import ImageFailed, ImageTooLarge, ImageUnreadable
from samfleet_worker.images import upright_size

LIMIT = 100


def encoded(width: int, height: int, orientation: int | None = None) -> bytes:
    buffer = io.BytesIO()
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    Image.new("RGB", (width, height)).save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


@pytest.mark.parametrize(("orientation", "size"), [(None, (6, 4)), (3, (6, 4)), (6, (4, 6)), (8, (4, 6))])
def test_the_size_is_that_of_the_upright_image(orientation: int | None, size: tuple[int, int]) -> None:
    assert upright_size(encoded(6, 4, orientation), LIMIT) == size


def test_sizes_are_checked_before_decoding() -> None:
    with pytest.raises(ImageTooLarge, match="11 x 10 pixels"):
        upright_size(encoded(11, 10), LIMIT)
    huge = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + (50_000).to_bytes(4) * 2 + b"\x08\x02\x00\x00\x00\x7a\x6d\x09\xd6"
    with pytest.raises(ImageFailed):
        upright_size(huge, LIMIT)
    with pytest.raises(ImageUnreadable):
        upright_size(b"not an image", LIMIT)
