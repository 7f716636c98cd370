"""Safe opening of files named by users: regular files only, without blocking and without following links.

Between the check of a path and its opening, the path can become a link, a pipe or a device. So the file is opened
without blocking and without links, and the open descriptor is checked instead of the path.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from samfleet.openat2 import OpenAt2Missing, open_without_links

if TYPE_CHECKING:
    from typing_extensions import Buffer

BUFFER_BYTES = 2**18
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_KINDS = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


class NotRegularFile(OSError):
    """The path names a pipe, a socket or a device."""


def open_resolved(path: Path) -> IO[bytes]:
    """Open the regular file at an absolute, resolved path. Raises `OSError` if the path contains a link now."""
    return _regular(_open_resolved(str(path), _READ | os.O_NOFOLLOW), path)


def read_resolved(path: str, most_bytes: int) -> bytes:
    """Return the first `most_bytes` of a file, or all of it. Raises like `open_resolved`."""
    descriptor = _open_resolved(path, _READ | os.O_NOFOLLOW)
    try:
        status = os.fstat(descriptor)
        _require_regular(status.st_mode, path)
        chunks, left = [], most_bytes
        while left and (chunk := os.read(descriptor, min(left, max(status.st_size, BUFFER_BYTES)))):
            chunks.append(chunk)
            left -= len(chunk)
    finally:
        os.close(descriptor)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def open_regular(path: Path) -> IO[bytes]:
    """Open the regular file at a path that the operator chose; links are followed."""
    return _regular(os.open(path, _READ), path)


def open_folder(path: Path) -> int:
    """Return a descriptor of the folder at an absolute, resolved path. Raises `OSError` if it contains a link now."""
    return _open_resolved(str(path), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def limited(file: IO[bytes], max_bytes: int, error: Callable[[], Exception]) -> IO[bytes]:
    """Limit a stream: reading more than `max_bytes` raises `error()`."""
    return cast("IO[bytes]", io.BufferedReader(_Limited(file, max_bytes, error), BUFFER_BYTES))


def _open_resolved(path: str, flags: int) -> int:
    try:
        return open_without_links(path, flags)
    except OpenAt2Missing:
        return _open_by_folders(Path(path), flags)


def _open_by_folders(path: Path, flags: int) -> int:
    *folders, name = path.parts[1:] or (".",)
    folder = os.open("/", _FOLDER)
    try:
        for part in folders:
            inner = os.open(part, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        return os.open(name, flags, dir_fd=folder)
    finally:
        os.close(folder)


def _regular(descriptor: int, path: Path) -> IO[bytes]:
    try:
        _require_regular(os.fstat(descriptor).st_mode, path)
        return os.fdopen(descriptor, "rb", BUFFER_BYTES)
    except BaseException:
        os.close(descriptor)
        raise


def _require_regular(mode: int, path: Path | str) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "something else")
        raise NotRegularFile(errno.EINVAL, f"it is {kind}, not a regular file", str(path))


class _Limited(io.RawIOBase):
    """A stream that reads at most one byte beyond the limit, to detect that there is more."""

    def __init__(self, file: IO[bytes], max_bytes: int, error: Callable[[], Exception]) -> None:
        self._file = file
        self._left = max_bytes
        self._error = error

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        room = memoryview(buffer).cast("B")
        data = self._file.read(min(len(room), self._left + 1))
        self._left -= len(data)
        if self._left < 0:
            raise self._error()
        room[: len(data)] = data
        return len(data)
