from __future__ import annotations

from pathlib import Path

import pytest

from samfleet.datasets.content import ImageFileMissing, read_image
from samfleet.datasets.directory import DirectoryNotAllowed
from samfleet.datasets.uploads import ImageTooLarge
from samfleet.storage.memory_store import MemoryStore


def test_files_and_uploads_are_read(tmp_path: Path) -> None:
    path = tmp_path / "größe #1%20.jpg"
    path.write_bytes(b"file")
    store = MemoryStore()
    store.put("datasets/1/a.jpg", b"upload")
    assert read_image(path.as_uri(), store, [tmp_path], 100) == b"file"
    assert read_image("store:datasets/1/a.jpg", store, [], 100) == b"upload"


def test_the_limit_holds_for_both(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"12345")
    store = MemoryStore()
    store.put("a.jpg", b"12345")
    for uri in ((tmp_path / "a.jpg").as_uri(), "store:a.jpg"):
        assert read_image(uri, store, [tmp_path], 5) == b"12345"
        with pytest.raises(ImageTooLarge):
            read_image(uri, store, [tmp_path], 4)


def test_a_file_that_became_a_link_out_of_the_roots_is_refused(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (tmp_path / "root/a.jpg").symlink_to(tmp_path / "secret.jpg")
    with pytest.raises(DirectoryNotAllowed):
        read_image((tmp_path / "root/a.jpg").as_uri(), MemoryStore(), [tmp_path / "root"], 100)


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageFileMissing, match=r"gone\.jpg cannot be read"):
        read_image((tmp_path / "gone.jpg").as_uri(), MemoryStore(), [tmp_path], 100)
