"""Byte ranges of a file (RFC 9110, section 14), for downloads that continue where they stopped."""

from __future__ import annotations

import re
from dataclasses import dataclass

from samfleet.errors import SamfleetError

_ONE_RANGE = re.compile(r"bytes=\s*(?:(\d{1,19})-(\d{1,19})?|-(\d{1,19}))\s*", re.ASCII | re.IGNORECASE)


class RangeNotSatisfiable(SamfleetError):
    """The requested range begins after the end of the file; the file may be complete already."""

    code = "range_not_satisfiable"
    status_code = 416

    def __init__(self, message: str | None = None, *, size: int | None = None) -> None:
        super().__init__(message)
        self.size = size  # of the file in bytes; the API sends it as `Content-Range`


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes `first` to `last` (inclusive) of a file of `size` bytes."""

    first: int
    last: int
    size: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1

    @property
    def content_range(self) -> str:
        return f"bytes {self.first}-{self.last}/{self.size}"


def requested_range(header: str | None, size: int) -> ByteRange | None:
    """Return the part of a file of `size` bytes that the header `Range` asks for; None for the whole file.

    Several ranges, other units and malformed headers are ignored, as the standard allows. Raises `RangeNotSatisfiable`.
    """
    match = _ONE_RANGE.fullmatch(header or "")
    if match is None:
        return None
    first, last, suffix = (None if digits is None else int(digits) for digits in match.groups())
    if first is None:
        wanted = ByteRange(max(0, size - (suffix or 0)), size - 1, size)
    elif last is not None and last < first:
        return None
    else:
        wanted = ByteRange(first, size - 1 if last is None else min(last, size - 1), size)
    if wanted.first >= size:
        raise RangeNotSatisfiable(f"the range {header!r} begins after the end of the file of {size} bytes", size=size)
    return wanted


def matches(tags: str | None, tag: str) -> bool:
    """Return whether a header of entity tags, such as `If-None-Match`, has this strong tag or `*`."""
    given = {one.strip().removeprefix("W/") for one in (tags or "").split(",")}
    return tag in given or "*" in given
