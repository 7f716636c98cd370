"""A folder of the teacher's answers, bounded in bytes. An answer is found by the image's bytes and the teacher's."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from samfleet.errors import SamfleetError

CHECKSUM_BYTES = 32


class DistillNoSpace(SamfleetError):
    """There is not enough disk space for the distillation; free some space or lower --cache-gb."""

    code = "distill_no_space"
    status_code = 507


class AnswerCache:
    """Keeps answers up to `max_bytes`. Beyond the bound they are computed again each time: a training reads all of
    them in turn, so dropping the oldest would drop every answer just before it is needed.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        folder.mkdir(parents=True, exist_ok=True)
        self._used = sum(path.stat().st_size for path in folder.glob("*/*.bin"))

    @property
    def used_bytes(self) -> int:
        return self._used

    def get(self, key: str, make: Callable[[], bytes]) -> bytes:
        """Return the stored answer, or make it and store it if it fits. A damaged file is made again."""
        path = self._path(key)
        stored = _verified(path)
        if stored is not None:
            return stored
        made = make()
        if path.exists():
            self._used -= path.stat().st_size
        if self._used + CHECKSUM_BYTES + len(made) <= self._max_bytes:
            write_whole(path, hashlib.sha256(made).digest() + made)
            self._used += path.stat().st_size
        return made

    def has(self, key: str) -> bool:
        return self._path(key).is_file()

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key}.bin"


def key_of(*parts: object) -> str:
    """Return a file name for the parts that determine an answer."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()


def check_disk(
    folder: Path, needed: int, free: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free
) -> None:
    """Raise `DistillNoSpace` unless `needed` bytes are free."""
    available = free(folder)
    if available < needed:
        raise DistillNoSpace(
            f"{folder} has {available / 2**20:.0f} MiB free and the distillation needs {needed / 2**20:.0f} MiB; free "
            "some space, lower --cache-gb or choose another --out"
        )


def write_whole(path: Path, content: bytes) -> None:
    """Write a file in one step that survives a kill and a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with full_disk(part), part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


@contextmanager
def full_disk(part: Path) -> Iterator[None]:
    """Map a full disk to `DistillNoSpace`, and remove the unfinished file."""
    try:
        yield
    except OSError as error:
        part.unlink(missing_ok=True)
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise DistillNoSpace(
                f"the disk filled up while {part.parent} was written; {DistillNoSpace.__doc__}"
            ) from error
        raise


def _verified(path: Path) -> bytes | None:
    if not path.is_file():
        return None
    content = path.read_bytes()
    checksum, answer = content[:CHECKSUM_BYTES], content[CHECKSUM_BYTES:]
    return answer if hashlib.sha256(answer).digest() == checksum else None
