"""Streaming reader of JSON arrays, and of objects of arrays; it takes the memory of one entry and a window.

Unlike the readers of libraries, it limits the size of an entry too: 2 GiB of JSON may be a single entry.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from itertools import count
from typing import IO, Any

WINDOW_BYTES = 2**20
MOST_CHARACTERS = 2**23  # in one entry: fits the run lengths of a 100-megapixel mask of pure noise
MOST_MEMBERS = 100  # in the object; COCO's has five
_SPACE = re.compile(r"[ \t\r\n]*")


class JsonArrayInvalid(ValueError):
    """The fault in the file; callers, which know its kind, raise a `SamfleetError` from it."""


def iter_json_array(file: IO[bytes]) -> Iterator[Any]:
    """Yield the entries of the file's top-level array in order; the file is read no further than needed."""
    window = _Window(file)
    if window.next_character() != "[":
        raise JsonArrayInvalid("must be a JSON list")
    yield from window.entries("entry {}")
    if window.next_character():
        raise JsonArrayInvalid("continues after the end of its list")


def iter_json_members(file: IO[bytes]) -> Iterator[tuple[str, Iterator[Any] | None]]:
    """Yield the members of the file's top-level object: the name and an iterator of entries.

    Entries not consumed are skipped before the next member. A value that is not an array is skipped, with None in
    place of the iterator.
    """
    window = _Window(file)
    if window.next_character() != "{":
        window.value("it")  # raises its own error if this is not JSON
        raise JsonArrayInvalid("must be a JSON object with images, annotations and categories")
    seen: set[str] = set()
    for name in window.names():
        if len(seen) == MOST_MEMBERS or name in seen:
            raise JsonArrayInvalid(f"has the member {name[:60]!r} twice, or more than {MOST_MEMBERS} members")
        seen.add(name)
        if window.next_character() != "[":
            window.value(name[:60])
            yield name, None
            continue
        entries = window.entries(f"{name[:60].replace('{', '').replace('}', '')}[{{}}]")
        yield name, entries
        for _ in entries:
            pass
    if window.next_character():
        raise JsonArrayInvalid("continues after the end of its object")


class _Window:
    """The part of the text in memory; text already parsed is dropped when more is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._decode = codecs.getincrementaldecoder("utf-8-sig")()  # Windows writes a mark
        self._json = json.JSONDecoder(parse_constant=_refuse)
        self._text = ""
        self._at = 0

    def entries(self, name: str) -> Iterator[Any]:
        """Yield the entries of the array that begins here; errors call entry i `name.format(i)`."""
        self.skip()
        if self.next_character() == "]":
            self.skip()
            return
        for index in count():
            yield self.value(name.format(index))
            if self._ends(name.format(index), "]"):
                return

    def names(self) -> Iterator[str]:
        """Yield the names of the object that begins here; the caller must consume the value after each name."""
        self.skip()
        if self.next_character() == "}":
            self.skip()
            return
        while True:
            name = self.value("a member's name") if self.next_character() == '"' else None
            if not isinstance(name, str) or self.next_character() != ":":
                raise JsonArrayInvalid("is not JSON: an object has names in double quotes, each followed by ':'")
            self.skip()
            yield name
            if self._ends(name[:60], "}"):
                return

    def _ends(self, after: str, end: str) -> bool:
        separator = self.next_character()
        self.skip()
        if separator not in {end, ","}:
            found = repr(separator) if separator else "the end of the file"
            raise JsonArrayInvalid(f"is not JSON: it has {found} after {after}, where ',' or {end!r} must follow")
        return separator == end

    def next_character(self) -> str:
        """Move to the next character that is not a space and return it; return "" at the end of the file."""
        while True:
            self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]  # matches an empty text too
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read_on():
                return ""

    def skip(self) -> None:
        self._at += 1

    def value(self, name: str) -> Any:
        """Parse the value at the next character. A parse error may only mean that the window cuts the value."""
        self.next_character()
        while True:
            try:
                value, end = self._json.raw_decode(self._text, self._at)
            except JsonArrayInvalid as error:
                raise JsonArrayInvalid(f"has {error} in {name}, which is not JSON; write a number") from error
            except RecursionError as error:
                raise JsonArrayInvalid(f"is nested too deeply in {name}") from error
            except ValueError as error:
                if len(self._text) - self._at > MOST_CHARACTERS or not self._read_on():
                    reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
                    raise JsonArrayInvalid(f"is not JSON in {name}: {reason}") from error
                continue
            if end > len(self._text) - len("e+1") and self._read_on():  # a number may continue
                continue
            self._at = end
            return value

    def _read_on(self) -> bool:
        """Read more text into the window; return False, with the window unchanged, at the end of the file."""
        data = self._file.read(WINDOW_BYTES)
        try:
            more = self._decode.decode(data, final=not data)
        except UnicodeDecodeError as error:
            raise JsonArrayInvalid(f"is not UTF-8 text ({error.reason})") from error
        if data:
            self._text, self._at = self._text[self._at :] + more, 0
        return bool(data)


def _refuse(constant: str) -> None:
    raise JsonArrayInvalid(constant)
