from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from samfleet.storage.memory_store import MemoryStore
from samfleet_worker.images import (
    ImageEmpty,
    ImageFailed,
    ImageMissing,
    ImageTooLarge,
    ImageUnreadable,
    fetch_image,
    upright_size,
)

LIMIT = 100


def test_files_are_read_from_disk_and_store(tmp_path: Path) -> None:
    path = tmp_path / "ein Bild %.png"
    path.write_bytes(b"on disk")
    store = MemoryStore()
    store.put("uploads/a b", b"in the store")
    assert fetch_image(store, path.as_uri(), LIMIT) == b"on disk"
    assert fetch_image(store, "store:uploads/a b", LIMIT) == b"in the store"


@pytest.mark.parametrize(("size", "kind"), [(0, ImageEmpty), (LIMIT + 1, ImageTooLarge)])
def test_a_size_that_will_not_do(tmp_path: Path, size: int, kind: type[ImageFailed]) -> None:
    (tmp_path / "a.png").write_bytes(b"x" * size)
    store = MemoryStore()
    store.put("a", b"x" * size)
    for uri in ((tmp_path / "a.png").as_uri(), "store:a"):
        with pytest.raises(kind):
            fetch_image(store, uri, LIMIT)


def test_a_file_that_is_gone_or_no_file(tmp_path: Path) -> None:
    for uri in ((tmp_path / "a.png").as_uri(), "store:uploads/a"):
        with pytest.raises(ImageMissing):
            fetch_image(MemoryStore(), uri, LIMIT)
    with pytest.raises(ImageUnreadable):
        fetch_image(MemoryStore(), tmp_path.as_uri(), LIMIT)


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
