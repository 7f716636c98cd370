"""Parsing of manifests, line by line: JSON Lines or CSV with a header in UTF-8, or the rows of a Parquet table."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Literal

from samfleet.datasets.manifests.entries import MAX_LINE_BYTES, ManifestLine, line_of, require_known
from samfleet.datasets.manifests.errors import ManifestFormatUnknown, ManifestInvalid
from samfleet.datasets.manifests.parquet import read_parquet
from samfleet.datasets.suffixes import format_by_suffix

Format = Literal["jsonl", "csv", "parquet"]
SUFFIXES: Mapping[str, Format] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet"}


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
        yield line_of(number, entry)


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
                yield line_of(rows.line_num, {name: value for name, value in zip(header, row, strict=True) if value})
    except csv.Error as error:
        raise ManifestInvalid(f"line {rows.line_num}: not valid CSV ({error})") from None


READERS: Mapping[Format, Callable[[IO[bytes]], Iterator[ManifestLine]]] = {
    "jsonl": _read_jsonl,
    "csv": _read_csv,
    "parquet": read_parquet,
}


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
    require_known(number, names)
    if "image" not in names:
        raise ManifestInvalid(f"line {number}: the header has no column image; begin with a line such as image,id")
    return names
