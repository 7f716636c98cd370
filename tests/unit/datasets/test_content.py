from __future__ import annotations

import os
from pathlib import Path

import pytest

from samfleet.datasets.content import read_image
from samfleet.image_errors import ImageEmpty, ImageFailed, ImageMissing, ImageTooLarge, ImageUnreadable
from samfleet.storage.memory_store import MemoryStore

LIMIT = 100


def test_files_and_uploads_are_read(tmp_path: Path) -> None:
    path = tmp_path / "größe #1%20.jpg"
    path.write_bytes(b"file")
    store = MemoryStore()
    store.put("datasets/1/a.jpg", b"upload")
    assert read_image(store, path.as_uri(), LIMIT) == b"file"
    assert read_image(store, "store:datasets/1/a.jpg", LIMIT) == b"upload"


@pytest.mark.parametrize(("size", "kind"), [(0, ImageEmpty), (LIMIT + 1, ImageTooLarge)])
def test_files_of_wrong_size_are_refused(tmp_path: Path, size: int, kind: type[ImageFailed]) -> None:
    (tmp_path / "a.png").write_bytes(b"x" * size)
    store = MemoryStore()
    store.put("a", b"x" * size)
    for uri in ((tmp_path / "a.png").as_uri(), "store:a"):
        with pytest.raises(kind):
            read_image(store, uri, LIMIT)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for uri in ((tmp_path / "gone.jpg").as_uri(), "store:uploads/gone.jpg"):
        with pytest.raises(ImageMissing, match=r"gone\.jpg"):
            read_image(MemoryStore(), uri, LIMIT)
    with pytest.raises(ImageUnreadable):
        read_image(MemoryStore(), tmp_path.as_uri(), LIMIT)


def test_a_file_that_became_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (tmp_path / "a.jpg").symlink_to(tmp_path / "secret.jpg")
    with pytest.raises(ImageUnreadable, match="symbolic link"):
        read_image(MemoryStore(), (tmp_path / "a.jpg").as_uri(), LIMIT)


def test_a_file_that_became_a_pipe_fails_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(ImageUnreadable, match=r"a\.jpg is no longer a file \(it is a named pipe"):
        read_image(MemoryStore(), (tmp_path / "a.jpg").as_uri(), LIMIT)


def test_a_link_created_after_the_check_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check sees the path as it was, as in a swap between check and opening."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/a.jpg").write_bytes(b"secret")
    (tmp_path / "photos").symlink_to("secret")
    (tmp_path / "b.jpg").symlink_to("secret/a.jpg")
    monkeypatch.setattr("samfleet.datasets.content.os.path.realpath", str)
    for name in ("photos/a.jpg", "b.jpg"):
        with pytest.raises(ImageFailed):
            read_image(MemoryStore(), (tmp_path / name).as_uri(), LIMIT)
