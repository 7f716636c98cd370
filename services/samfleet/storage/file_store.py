"""Object store in files below one root folder.

A write goes to a temporary file inside the root, is synced to disk (fsync) and renamed, so after a crash, and for
readers at any time, there is the old object or the new one. Other accounts can neither read nor list objects. Symbolic
links are followed only if they stay inside the root.
"""

from __future__ import annotations

import errno
import os
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from samfleet.errors import SamfleetError
from samfleet.files import sync_folder
from samfleet.storage.keys import TEMPORARY_FOLDER, check_folder, check_key, check_prefix
from samfleet.storage.store import (
    ObjectInfo,
    ObjectNotFound,
    StorageForbidden,
    StorageFull,
    StorageKeyInvalid,
    StorageUnavailable,
)
from samfleet.storage.streams import mapped_stream

CHUNK_BYTES = 1 << 20
_FILE_MODE, _FOLDER_MODE = 0o600, 0o700  # only the account of the service may read pictures and masks
PLACE_ATTEMPTS = 100  # a concurrent delete_prefix may remove the target folder during a write

ERRORS: dict[int, tuple[type[SamfleetError], str]] = {
    errno.ENOSPC: (StorageFull, "the disk is full; free some space"),
    errno.EDQUOT: (StorageFull, "the disk quota is used up; free some space"),
    errno.EFBIG: (StorageFull, "the file size limit is reached; raise it (ulimit -f)"),
    errno.ENOENT: (ObjectNotFound, "the object does not exist"),
    errno.EISDIR: (ObjectNotFound, "this is a folder, not an object"),
    errno.ENOTDIR: (ObjectNotFound, "a part of this path is an object, not a folder"),
    errno.EACCES: (StorageForbidden, "access is refused; check the owner and the mode of the files"),
    errno.EPERM: (StorageForbidden, "the operation is refused; check the owner and the mode of the files"),
    errno.EROFS: (StorageForbidden, "the file system is read-only"),
    errno.ELOOP: (StorageForbidden, "symbolic links form a loop"),
    errno.ENAMETOOLONG: (StorageKeyInvalid, "the name is too long for this file system"),
}


class FileStore:
    def __init__(self, root: Path) -> None:
        self._root = Path(os.path.realpath(root))
        self._temporary = self._root / TEMPORARY_FOLDER

    def put(self, key: str, data: bytes) -> None:
        self.put_stream(key, (data,))

    def put_file(self, key: str, path: Path) -> None:
        with path.open("rb") as file:
            self.put_stream(key, iter(lambda: file.read(CHUNK_BYTES), b""))

    def put_stream(self, key: str, chunks: Iterable[bytes]) -> int:
        target = self._path(key)
        size = 0
        with self._temporary_file(key) as (file, path):
            for chunk in chunks:
                with _mapped(key):
                    _write_all(file, chunk)
                size += len(chunk)
            with _mapped(key):
                os.fsync(file.fileno())
                self._place(path, target)
        return size

    def get(self, key: str) -> bytes:
        with self.open(key) as file:
            return file.read()

    def open(self, key: str, *, start: int = 0) -> BinaryIO:
        with _mapped(key):
            file = self._path(key).open("rb", buffering=0)
            file.seek(start)
            return mapped_stream(file, partial(_mapped, key))

    def size(self, key: str) -> int:
        with _mapped(key):
            path = self._path(key)
            if path.is_dir():
                raise ObjectNotFound(f"{key!r}: this is a folder, not an object")
            return path.stat().st_size

    def exists(self, key: str) -> bool:
        with _mapped(key):
            return self._path(key).is_file()

    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        folder = check_prefix(prefix).rpartition("/")[0]
        with _mapped(prefix):
            if (self._path(folder) if folder else self._root).is_dir():
                yield from self._walk(folder, prefix, after)

    def delete(self, key: str) -> None:
        with _mapped(key), suppress(FileNotFoundError, NotADirectoryError):
            path = self._path(key)
            if not path.is_dir():
                path.unlink()
                self._remove_empty(path.parent)

    def delete_prefix(self, prefix: str) -> None:
        folder = self._path(check_folder(prefix).rstrip("/"))
        with _mapped(prefix):
            if folder.is_dir():
                _remove_tree(folder)

    def presigned_url(self, key: str, expires: timedelta) -> str | None:  # noqa: ARG002 - files have no public address
        check_key(key)
        return None

    def discard_unfinished(self, older_than: timedelta) -> int:
        removed = 0
        limit = time.time() - older_than.total_seconds()
        with _mapped(TEMPORARY_FOLDER):
            for path in self._temporary.glob("*"):
                with suppress(FileNotFoundError):  # its writer has just finished
                    if path.stat().st_mtime <= limit:
                        path.unlink()
                        removed += 1
        return removed

    def _path(self, key: str) -> Path:
        path = self._root / check_key(key)
        if not Path(os.path.realpath(path)).is_relative_to(self._root):
            raise StorageForbidden(f"{key!r} is a symbolic link that leads outside {self._root}; copy the file instead")
        return path

    @contextmanager
    def _temporary_file(self, key: str) -> Iterator[tuple[FileIO, Path]]:
        path = self._temporary / uuid.uuid4().hex
        with _mapped(key):
            _make_folder(self._temporary)
            file = _create_private(path)
        try:
            with file:
                yield file, path
        finally:
            path.unlink(missing_ok=True)

    def _place(self, path: Path, target: Path) -> None:
        for _ in range(PLACE_ATTEMPTS):
            try:
                changed = [target.parent, *_make_folder(target.parent)]
                path.replace(target)
            except FileNotFoundError:
                continue
            except (FileExistsError, NotADirectoryError, IsADirectoryError):
                raise StorageKeyInvalid(
                    f"{target} cannot be written: an object exists where a folder is needed, or the reverse"
                ) from None
            with suppress(FileNotFoundError):  # removed with its folder right after the rename
                for folder in changed:
                    sync_folder(folder)
            return
        raise StorageUnavailable(f"{target.parent} is removed repeatedly by others; try again shortly")

    def _remove_empty(self, folder: Path) -> None:
        """Remove empty folders up to the root: folders are not objects, so they are removed with their last object."""
        while folder != self._root:
            try:
                folder.rmdir()
            except OSError:  # not empty, or already removed
                return
            folder = folder.parent

    def _walk(self, folder: str, prefix: str, after: str) -> Iterator[ObjectInfo]:
        """Yield objects depth first, in the order of keys.

        A folder is sorted by its name with '/', like the keys in it. A folder with no key after `after` is not opened.
        """
        with os.scandir(self._root / folder) as entries:
            found = [(entry, entry.is_dir(follow_symlinks=False)) for entry in entries]
        base = f"{folder}/" if folder else ""
        named = sorted((f"{base}{entry.name}{'/' * is_folder}", entry) for entry, is_folder in found)
        for key, entry in named:
            if key == f"{TEMPORARY_FOLDER}/":
                continue
            if key.endswith("/"):
                follows = key > after or after.startswith(key)
                if follows and (key.startswith(prefix) or prefix.startswith(key)):
                    with suppress(FileNotFoundError):  # deleted while listing
                        yield from self._walk(key[:-1], prefix, after)
            elif key.startswith(prefix) and key > after:
                with suppress(FileNotFoundError):
                    if entry.is_file():
                        status = entry.stat()
                        yield ObjectInfo(key, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))


@contextmanager
def _mapped(key: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        kind, reason = ERRORS.get(error.errno or 0, (StorageUnavailable, "the disk returned an error"))
        raise kind(f"{key!r}: {reason} ({error})") from error


def _create_private(path: Path) -> FileIO:
    return FileIO(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE_MODE), "wb")


def _write_all(file: FileIO, chunk: bytes) -> None:
    """Write the whole chunk unbuffered; on a full disk, a buffer would fail a second time when the file is closed."""
    rest = memoryview(chunk)
    while rest:
        rest = rest[file.write(rest) :]


def _remove_tree(folder: Path) -> None:
    """Remove a folder like shutil.rmtree, but keep an object written meanwhile, with its folder."""
    with os.scandir(folder) as entries:
        for entry in tuple(entries):
            if entry.is_dir(follow_symlinks=False):
                _remove_tree(Path(entry))
            else:
                Path(entry).unlink(missing_ok=True)
    try:
        folder.rmdir()
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.ENOENT}:
            raise


def _make_folder(folder: Path) -> list[Path]:
    """Create a folder like `mkdir -p`; return the folders with a new entry, for the caller to sync."""
    if folder.is_dir():
        return []
    changed = _make_folder(folder.parent)
    folder.mkdir(exist_ok=True, mode=_FOLDER_MODE)
    return [*changed, folder.parent]
