"""Files of zip and tar archives, one after the other. Bytes are counted while they are unpacked; headers may lie."""

from __future__ import annotations

import gzip
import io
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from lzma import LZMAError
from typing import IO, TYPE_CHECKING, Literal, Self, cast

from samfleet.datasets.archives.errors import (
    ArchiveBomb,
    ArchiveEncrypted,
    ArchiveFormatUnknown,
    ArchiveInvalid,
    ArchiveMemberForbidden,
    ArchiveNameForbidden,
    ArchiveTooLarge,
)
from samfleet.datasets.suffixes import format_by_suffix

if TYPE_CHECKING:
    from typing_extensions import Buffer

Format = Literal["zip", "tar", "tar.gz"]
SUFFIXES: Mapping[str, Format] = {".zip": "zip", ".tar": "tar", ".tar.gz": "tar.gz", ".tgz": "tar.gz"}
CHUNK_BYTES = 2**18
MOST_RATIO = 200  # a blank TIFF packs a hundredfold, a bomb a thousandfold
RATIO_FROM_BYTES = 64 * 2**20  # a few blank images are no bomb
MAX_HEADER_BYTES = 2**20  # of a long name or of extended attributes, which tarfile reads whole
MAX_DIRECTORY_BYTES = 64 * 2**20  # of a zip file, which zipfile reads whole: half a million names
EXTENSIONS = frozenset(
    {
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
    }
)
BROKEN = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, struct.error, LZMAError, EOFError, NotImplementedError, OSError,
    OverflowError, RecursionError, ValueError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Member:
    """A regular file: its name relative to the archive, and its bytes, to be read before the next member."""

    name: str
    open: Callable[[], IO[bytes]]


@dataclass(slots=True)
class Meter:
    """Counter of the bytes that an archive unpacks to, against a limit and the bytes of the archive itself."""

    most_bytes: int
    packed: int = 0
    unpacked: int = 0

    def add(self, count: int) -> None:
        """Raise `ArchiveTooLarge` or `ArchiveBomb` if that is too much."""
        self.unpacked += count
        if self.unpacked > self.most_bytes:
            raise ArchiveTooLarge(
                f"the archive unpacks to more than {self.most_bytes} bytes; make several, or raise "
                "SAMFLEET_MAX_DATASET_BYTES"
            )
        if self.unpacked > RATIO_FROM_BYTES and self.unpacked > MOST_RATIO * self.packed:
            raise ArchiveBomb(
                f"the archive unpacks {self.packed} bytes to {self.unpacked}, more than {MOST_RATIO} times as many; "
                "images do not compress so well"
            )


def format_of(name: str, stated: Format | None = None) -> Format:
    """Return the stated format, or else the one of the name's suffix. Raises `ArchiveFormatUnknown`."""
    return format_by_suffix(name, stated, SUFFIXES, ArchiveFormatUnknown)


def read_members(file: IO[bytes], form: Format, meter: Meter) -> Iterator[Member]:
    """Yield the regular files in the order of the archive. A zip file must be seekable.

    Raises `ArchiveInvalid`, `ArchiveEncrypted`, `ArchiveNameForbidden` and `ArchiveMemberForbidden`.
    """
    with explained():
        if form == "zip":
            yield from _zip_members(file, meter)
        else:
            yield from _tar_members(file, meter, packed=form == "tar.gz")


@contextmanager
def explained() -> Iterator[None]:
    """Map the errors of reading an archive or a member."""
    try:
        yield
    except BROKEN as error:
        raise ArchiveInvalid(f"the archive is broken or not of its format ({error}); pack it again") from error


def _zip_members(file: IO[bytes], meter: Meter) -> Iterator[Member]:
    meter.packed = file.seek(0, io.SEEK_END)
    file.seek(0)
    with zipfile.ZipFile(cast("IO[bytes]", _BoundedReads(file))) as archive:
        for info in archive.infolist():
            name = _checked_name(info.filename)
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
                raise ArchiveMemberForbidden(f"{name!r} is a link or a device; pack only files and folders")
            if info.flag_bits & 1:
                raise ArchiveEncrypted(f"{name!r} is encrypted; pack the archive without a password")
            if not info.is_dir():
                yield Member(name, partial(_open_in_zip, archive, info, meter))


def _tar_members(file: IO[bytes], meter: Meter, *, packed: bool) -> Iterator[Member]:
    counted = cast("IO[bytes]", _Packed(file, meter))
    unpacked = cast("IO[bytes]", gzip.GzipFile(fileobj=counted)) if packed else counted
    source = _metered(unpacked, meter)
    with tarfile.open(fileobj=source, mode="r|", tarinfo=_BoundedInfo) as archive:
        while (info := archive.next()) is not None:
            vars(archive)["members"].clear()  # it keeps them all
            name = _checked_name(info.name)
            if info.isdir():
                continue
            if not info.isreg() or info.issparse():
                raise ArchiveMemberForbidden(
                    f"{name!r} is a link, a device or a sparse file; pack only files and folders"
                )
            yield Member(name, partial(_open_in_tar, archive, info))


def _open_in_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo, meter: Meter) -> IO[bytes]:
    return _metered(archive.open(info), meter)


def _open_in_tar(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    return cast("IO[bytes]", archive.extractfile(info))  # None only for members that are no files


class _BoundedInfo(tarfile.TarInfo):
    """Header of a member whose extensions are bounded, because tarfile reads them into memory."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        info = super().frombuf(buf, encoding, errors)
        if info.type in EXTENSIONS and info.size > MAX_HEADER_BYTES:
            raise ArchiveInvalid(f"a header of the archive has {info.size} bytes; pack it again")
        return info


def _checked_name(name: str) -> str:
    """Return the name with '/' between its parts and without empty and '.' parts."""
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or name[1:2] == ":":
        raise ArchiveNameForbidden(f"{name[:200]!r} is absolute or leads out of the archive; pack relative names")
    return "/".join(part for part in parts if part not in {"", "."})


def _metered(source: IO[bytes], meter: Meter) -> IO[bytes]:
    return cast("IO[bytes]", io.BufferedReader(_Unpacked(source, meter), CHUNK_BYTES))


class _Unpacked(io.RawIOBase):
    """Stream that counts what it unpacks."""

    def __init__(self, source: IO[bytes], meter: Meter) -> None:
        self._source = source
        self._meter = meter

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        room = memoryview(buffer).cast("B")
        data = self._source.read(min(len(room), CHUNK_BYTES))
        self._meter.add(len(data))
        room[: len(data)] = data
        return len(data)


class _BoundedReads:
    """Seekable file of which no large piece is read at once."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self.seek, self.tell, self.seekable = source.seek, source.tell, source.seekable

    def read(self, size: int = -1) -> bytes:
        if size > MAX_DIRECTORY_BYTES:
            raise ArchiveTooLarge(
                f"the directory of the zip file has more than {MAX_DIRECTORY_BYTES} bytes; make several, or pack a tar"
            )
        return self._source.read(size)


class _Packed:
    """File that counts the bytes of the archive itself."""

    def __init__(self, source: IO[bytes], meter: Meter) -> None:
        self._source = source
        self._meter = meter

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self._meter.packed += len(data)
        return data
