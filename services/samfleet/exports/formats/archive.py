"""Zip files of exports, written a member at a time with bytes that depend only on the contents."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from samfleet.exports.errors import ExportTooManyFiles
from samfleet.exports.formats.base import ExportOptions, ExportSource

Member = tuple[str, bytes | Iterable[bytes]]  # its name, and its content, whole or in chunks
PROVENANCE = "provenance.json"
REPORT = "report.json"
FIRST_DAY = (1980, 1, 1, 0, 0, 0)  # the earliest time of a zip; real times would change the bytes
COMPRESSED = (".png", ".jpg")  # suffixes of members that deflate would not make smaller
ADVICE = "export fewer masks by min_area or min_score, or use a format with a file per image"
MOST_FILES = 2_000_000  # zipfile keeps about a kilobyte for each until the end


@dataclass(frozen=True, slots=True)
class ZipFormat:
    """A format of several files, in one zip; `members` yields them."""

    name: str
    description: str
    members: Callable[[ExportSource, ExportOptions], Iterator[Member]]
    media_type: str = "application/zip"
    extension: str = "zip"

    def write(self, source: ExportSource, options: ExportOptions) -> Iterator[bytes]:
        return zip_of(self.members(source, options))


class Sink(io.RawIOBase):
    """A file that cannot seek and gives away what was written."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._written += data
        return len(data)

    def taken(self) -> bytes:
        taken = bytes(self._written)
        self._written.clear()
        return taken


class MemberNames:
    """Names of members made from names of images, each used once, also where upper and lower case are the same.

    Memory grows by a name per image. `renamed` has the images whose name without suffix was already taken.
    """

    def __init__(self) -> None:
        self._used = {PROVENANCE}
        self.renamed: dict[str, str] = {}

    def name(self, file_name: str, suffix: str) -> str:
        """Return the image's name with another suffix: `sub/a.jpg` becomes `sub/a.txt`.

        A second image with that name, such as `sub/a.png`, becomes `sub/a.png.txt`.
        """
        path = PurePosixPath(*(part for part in PurePosixPath(file_name).parts if part not in ("/", "..")))
        name, number = f"{path.with_suffix('')}{suffix}", 1
        while name.casefold() in self._used:
            name = f"{path}{suffix}" if number == 1 else f"{path}.{number}{suffix}"
            self.renamed[file_name] = name
            number += 1
        self._used.add(name.casefold())
        return name


def zip_of(members: Iterable[Member]) -> Iterator[bytes]:
    """Yield a zip of the members; memory holds one content or chunk, and about a kilobyte for each name.

    Raises `ExportTooManyFiles` above two million members.
    """
    sink = Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, (name, content) in enumerate(members, start=1):
            if number > MOST_FILES:
                raise ExportTooManyFiles(f"the zip would have more than {MOST_FILES} files; {ADVICE}")
            entry = zipfile.ZipInfo(name, FIRST_DAY)
            entry.compress_type = zipfile.ZIP_STORED if name.endswith(COMPRESSED) else zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            if isinstance(content, bytes):
                archive.writestr(entry, content)
            else:
                with archive.open(entry, "w", force_zip64=True) as member:  # its size is not known
                    for chunk in content:
                        member.write(chunk)
                        yield sink.taken()
            yield sink.taken()
    yield sink.taken()


def provenance_of(provenance: Mapping[str, Any], names: MemberNames) -> Member:
    """Return the member that says how the masks were made, and which images have unexpected names here."""
    renamed = {"renamed": names.renamed} if names.renamed else {}
    return PROVENANCE, json_bytes({**provenance, **renamed}, indent=2)


def report_of(images: int, left_out: Sequence[Mapping[str, str]]) -> Member:
    """Return the member that counts the images shown and names the others: file_name, code and message of each."""
    return REPORT, json_bytes({"images": images, "left_out": left_out}, indent=2)


def json_bytes(value: Any, indent: int | None = None) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent).encode()
