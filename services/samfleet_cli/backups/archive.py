"""The file of a backup: a tar archive in one zstd frame, whose last member has the SHA-256 of all others.

`tar --zstd -xf FILE` and `sha256sum -c SHA256SUMS` read and check it without samfleet.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, Protocol, cast

import zstandard

from samfleet.storage.keys import check_key
from samfleet.storage.store import StorageKeyInvalid
from samfleet_cli.backups.errors import BackupDamaged, NotABackup

SUMS = "SHA256SUMS"
LEVEL = 3  # images and parts are compressed already; the rows of the database shrink to about a tenth
CHUNK_BYTES = 1 << 20
_MODE = 0o600
_SPOOLED_BYTES = 1 << 24


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Member:
    """A file of the archive. `stream` may be read once, until the next member is asked for."""

    name: str
    size: int  # bytes
    stream: Readable


class ArchiveWriter:
    """Writes members one after the other; `finish` completes the file, which is invalid without."""

    def __init__(self, file: BinaryIO, folder: Path) -> None:
        """`folder` is for a temporary file with the sums."""
        compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
        self._frame = compressor.stream_writer(file, closefd=False)
        self._tar = tarfile.open(fileobj=cast(BinaryIO, self._frame), mode="w|", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - closed by `finish`
        self._sums = tempfile.SpooledTemporaryFile(_SPOOLED_BYTES, dir=str(folder))  # noqa: SIM115 - closed by `close`

    def add(self, name: str, size: int, stream: Readable) -> None:
        """Add a file of exactly `size` bytes. Raises `OSError` if the stream has fewer."""
        digest = hashlib.sha256()
        self._add(name, size, _Tee(stream, digest.update))
        self._sums.write(_line(digest.hexdigest(), name))

    def add_bytes(self, name: str, data: bytes) -> None:
        self.add(name, len(data), io.BytesIO(data))

    def finish(self) -> None:
        size = self._sums.tell()
        self._sums.seek(0)
        self._add(SUMS, size, self._sums)
        self._tar.close()
        self._frame.close()  # type: ignore[no-untyped-call]  # zstandard has no types here

    def close(self) -> None:
        self._sums.close()

    def _add(self, name: str, size: int, stream: Readable) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode = size, _MODE
        self._tar.addfile(info, cast(IO[bytes], stream))
        _forget(self._tar)


def read_archive(file: BinaryIO) -> Iterator[Member]:
    """Yield the members without the sums, in their order.

    The generator ends only if the archive is whole and every sum is right. Raises `NotABackup` and `BackupDamaged`.
    """
    with _mapped(), tempfile.SpooledTemporaryFile(_SPOOLED_BYTES) as sums:
        frame = zstandard.ZstdDecompressor().stream_reader(file, closefd=False)
        with tarfile.open(fileobj=cast(BinaryIO, frame), mode="r|", bufsize=CHUNK_BYTES) as tar:
            for info in tar:
                _forget(tar)
                opened = _open(tar, info)
                if info.name == SUMS:
                    _compare(opened, sums)
                    break
                digest = hashlib.sha256()
                stream = _Tee(opened, digest.update, _mapped)
                yield Member(info.name, info.size, stream)
                while stream.read(CHUNK_BYTES):
                    pass
                sums.write(_line(digest.hexdigest(), info.name))
            else:
                raise BackupDamaged("the backup is cut off: its end is missing; copy it again, or take another one")
        while frame.read(CHUNK_BYTES):  # the end of the frame, whose checksum zstd compares
            pass


def _open(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    """Open a member. Raises `BackupDamaged` for links and devices, and for names that lead out of the archive."""
    opened = tar.extractfile(info) if info.isreg() else None
    try:
        check_key(info.name)
    except StorageKeyInvalid as error:
        raise BackupDamaged(f"the backup has a member with an invalid name: {error.message}") from error
    if opened is None:
        raise BackupDamaged(f"{info.name!r} in the backup is no regular file")
    return opened


def _compare(expected: IO[bytes], found: IO[bytes]) -> None:
    found.seek(0)
    for line in expected:
        if (actual := found.readline()) != line:
            name = (actual or line).decode(errors="replace").strip()[66:]
            raise BackupDamaged(f"{name!r} in the backup has another SHA-256 than {SUMS} says; take another backup")
    if rest := found.readline():
        raise BackupDamaged(f"{rest.decode(errors='replace').strip()[66:]!r} in the backup is not in {SUMS}")


@contextmanager
def _mapped() -> Iterator[None]:
    try:
        yield
    except zstandard.ZstdError as error:
        raise BackupDamaged(f"the backup cannot be decompressed: {error}") from error
    except tarfile.TarError as error:
        raise BackupDamaged(f"the backup is damaged or cut off: {error}") from error


def require_frame(file: BinaryIO) -> None:
    """Raise `NotABackup` unless the file begins like a zstd frame; go back to its start."""
    if file.read(4) != zstandard.FRAME_HEADER:
        raise NotABackup("the file is not a backup: it is not compressed by zstd")
    file.seek(0)


def _forget(tar: tarfile.TarFile) -> None:
    """Forget the members, of which tarfile keeps all, about a kilobyte each."""
    tar.members = []  # type: ignore[attr-defined]  # not in typeshed


def _line(digest: str, name: str) -> bytes:
    return f"{digest}  {name}\n".encode()


@dataclass(frozen=True, slots=True)
class _Tee:
    """A stream that hands everything that is read to a function too; `_mapped` translates errors of reading."""

    _stream: Readable
    _seen: Callable[[bytes], object]
    _mapped: Callable[[], AbstractContextManager[None]] = nullcontext

    def read(self, size: int, /) -> bytes:
        with self._mapped():
            data = self._stream.read(size)
        self._seen(data)
        return data
