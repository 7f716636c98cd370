from __future__ import annotations

import errno
import os
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from samfleet.storage.file_store import FileStore
from samfleet.storage.store import StorageForbidden, StorageKeyInvalid, StorageUnavailable


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "root")


def test_a_link_out_of_the_root_is_not_followed(store: FileStore, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "outside").mkdir()
    store.put("a", b"")
    (tmp_path / "root/link").symlink_to(tmp_path / "secret")
    (tmp_path / "root/folder").symlink_to(tmp_path / "outside")
    for call in (
        lambda: store.get("link"),
        lambda: store.put("folder/x", b""),
        lambda: list(store.list("folder/")),
        lambda: store.delete_prefix("folder/"),
    ):
        with pytest.raises(StorageForbidden, match="leads outside"):
            call()


def test_links_inside_the_root_are_followed_and_loops_end(store: FileStore, tmp_path: Path) -> None:
    store.put("folder/real", b"content")
    (tmp_path / "root/link").symlink_to("folder/real")
    (tmp_path / "root/folder/loop").symlink_to(tmp_path / "root")
    (tmp_path / "root/dangling").symlink_to("nowhere")
    assert store.get("link") == b"content"
    assert [(found.key, found.size) for found in store.list("")] == [("folder/real", 7), ("link", 7)]
    store.delete_prefix("folder/")
    assert [path.name for path in (tmp_path / "root").iterdir() if path.name == "folder"] == []


def test_an_object_and_a_folder_never_share_a_path(store: FileStore) -> None:
    store.put("a", b"")
    store.put("b/c", b"")
    for key in ("a/b", "b"):
        with pytest.raises(StorageKeyInvalid, match="exists where a folder is needed"):
            store.put(key, b"")


def test_files_of_a_killed_writer_are_invisible_and_deleted_by_age(store: FileStore, tmp_path: Path) -> None:
    store.put("a", b"")
    left = tmp_path / "root/.samfleet-tmp/0123"
    left.write_bytes(b"half")
    assert [found.key for found in store.list("")] == ["a"]
    assert store.discard_unfinished(timedelta(hours=1)) == 0
    os.utime(left, (0, 0))
    assert store.discard_unfinished(timedelta(hours=1)) == 1
    assert not left.exists()


def test_an_unknown_disk_error_is_retryable(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageUnavailable, match="Input/output error"):
        store.put("a", b"")
    assert list(store.list("")) == []


def test_writers_succeed_while_their_folder_is_deleted(store: FileStore) -> None:
    """The deleter removes emptied folders while writers use them; the writers create them again."""

    def write() -> None:
        for index in range(100):
            store.put(f"jobs/1/parts/{index}", b"x" * 100)

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        store.delete_prefix("jobs/1/")
    writer.join()
    store.delete_prefix("jobs/1/")
    assert list(store.list("")) == []
