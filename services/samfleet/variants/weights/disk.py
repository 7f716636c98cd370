"""Writing of large files: free space is checked first, and a disk that fills up anyway is named in the error."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from samfleet.errors import Forbidden, SamfleetError

FreeBytes = Callable[[Path], int]

NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class WeightsNoSpace(SamfleetError):
    """There is not enough disk space for the weights; free some space or choose another folder."""

    code = "weights_no_space"
    status_code = 507


class WeightsFolderUnusable(Forbidden):
    """The weights folder cannot be written; choose another one or fix its permissions."""

    code = "weights_folder_unusable"


def free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def check_space(folder: Path, needed: int, free: FreeBytes) -> None:
    available = free(folder)
    if needed > available:
        raise WeightsNoSpace(
            f"{folder} has {available / 2**20:.1f} MiB free and {needed / 2**20:.1f} MiB are needed; "
            "free some space or choose another folder"
        )


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Map errors of the disk. If the disk is full, remove the file, which would block all other writers."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            path.unlink(missing_ok=True)
            raise WeightsNoSpace(
                f"the disk filled up while {path.name} was written to {path.parent} ({error.strerror}); "
                "free some space or choose another folder"
            ) from error
        raise WeightsFolderUnusable(f"{path.parent} cannot be used: {error}") from error


def write_all(file: FileIO, chunk: bytes) -> None:
    """Write a chunk to an unbuffered file: a buffer would hit the full disk a second time on closing."""
    rest = memoryview(chunk)
    while rest:
        rest = rest[file.write(rest) :]


def place(path: Path, target: Path) -> None:
    """Give a finished file its final name, in one step that survives a power cut."""
    with disk_errors(path):
        _sync(path)
        path.replace(target)
        _sync(target.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
