"""Parsing of manifests, line by line: JSON Lines or CSV with a header, in UTF-8."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any, Literal

from samfleet.datasets.manifests.errors import ManifestFormatUnknown, ManifestInvalid
from samfleet.datasets.suffixes import format_by_suffix

Format = Literal["jsonl", "csv"]
SUFFIXES: Mapping[str, Format] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv"}
MEMBERS = ("image", "id", "file_name", "etag")
MAX_LINE_BYTES = 2**16
MAX_ID_CHARACTERS = 255
MAX_ETAG_CHARACTERS = 1024


@dataclass(frozen=True, slots=True)
class ManifestLine:
    """One image: `image` is a path or an address; the other members are None unless the line states them."""

    number: int  # from 1, as editors count
    image: str
    id: str | None = None
    file_name: str | None = None
    etag: str | None = None


def format_of(name: str, stated: Format | None = None) -> Format:
    """Return the stated format, or else the one of the name's suffix. Raises `ManifestFormatUnknown`."""
    return format_by_suffix(name, stated, SUFFIXES, ManifestFormatUnknown)


def read_lines(file: IO[bytes], form: Format) -> Iterator[ManifestLine]:
    """Yield the images of a manifest; blank lines are skipped. Raises `ManifestInvalid`, which names the line."""
    return READERS[form](file)


def _read_jsonl(file: IO[bytes]) -> Iterator[ManifestLine]:
    for number, text in enumerate(_texts(file), start=1):
        if not text.strip():
            continue
        try:
            entry = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ManifestInvalid(f"line {number}: not valid JSON ({error}); write one object per line") from None
        if not isinstance(entry, dict):
            raise ManifestInvalid(f'line {number}: not an object; write {{"image": "shelf/left.jpg"}}')
        yield _line(number, entry)


def _read_csv(file: IO[bytes]) -> Iterator[ManifestLine]:
    rows = csv.reader(_texts(file), strict=True)
    header: list[str] | None = None
    try:
        for row in rows:
            if not any(row):
                continue
            if header is None:
                header = _header(row, rows.line_num)
            elif len(row) != len(header):
                raise ManifestInvalid(
                    f"line {rows.line_num}: {len(row)} fields, but the header has {len(header)}; quote fields that "
                    "have a comma"
                )
            else:
                yield _line(rows.line_num, {name: value for name, value in zip(header, row, strict=True) if value})
    except csv.Error as error:
        raise ManifestInvalid(f"line {rows.line_num}: not valid CSV ({error})") from None


READERS: Mapping[Format, Callable[[IO[bytes]], Iterator[ManifestLine]]] = {"jsonl": _read_jsonl, "csv": _read_csv}


def _texts(file: IO[bytes]) -> Iterator[str]:
    """Yield the lines without their ends, decoded. A line that is too long is refused before it is read."""
    number = 0
    while data := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(data) > MAX_LINE_BYTES:
            raise ManifestInvalid(f"line {number}: more than {MAX_LINE_BYTES} bytes; write one image per line")
        try:
            text = data.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise ManifestInvalid(f"line {number}: not UTF-8 ({error.reason}); save the manifest as UTF-8") from None
        yield text.rstrip("\r\n")


def _header(names: list[str], number: int) -> list[str]:
    names = [name.strip() for name in names]
    if len(set(names)) < len(names):
        raise ManifestInvalid(f"line {number}: the header has a column twice; leave one of them out")
    _require_known(number, names)
    if "image" not in names:
        raise ManifestInvalid(f"line {number}: the header has no column image; begin with a line such as image,id")
    return names


def _line(number: int, entry: Mapping[str, Any]) -> ManifestLine:
    _require_known(number, entry)
    given = entry.get("id")
    if type(given) is int:
        entry = {**entry, "id": str(given)}
    return ManifestLine(
        number,
        _text(number, entry, "image") or _without_image(number),
        _text(number, entry, "id", MAX_ID_CHARACTERS),
        _text(number, entry, "file_name"),
        _text(number, entry, "etag", MAX_ETAG_CHARACTERS),
    )


def _require_known(number: int, names: Mapping[str, Any] | list[str]) -> None:
    """Raise for other members: a misspelt one would otherwise be ignored."""
    for name in names:
        if name not in MEMBERS:
            raise ManifestInvalid(f"line {number}: {name[:60]!r} is not known; an image has {', '.join(MEMBERS)}")


def _without_image(number: int) -> str:
    raise ManifestInvalid(f"line {number}: no image; give its path or address as image")


def _text(number: int, entry: Mapping[str, Any], name: str, most: int = MAX_LINE_BYTES) -> str | None:
    value = entry.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ManifestInvalid(f"line {number}: {name} is not a text; put it in quotes")
    if len(value) > most:
        raise ManifestInvalid(f"line {number}: {name} has more than {most} characters; shorten it")
    if not value.isprintable():
        raise ManifestInvalid(f"line {number}: {name} has control characters or half a surrogate pair; remove them")
    return value
