"""JSON arrays, and an object of arrays, read entry by entry: a file takes the memory of one entry and a window.

Unlike the readers of libraries, this one bounds an entry too: 2 GiB of JSON may be one entry.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from itertools import count
from typing import IO, Any

WINDOW_BYTES = 2**20
MOST_CHARACTERS = 2**23  # of one entry: the run lengths of a mask of a hundred megapixels, were it noise
MOST_MEMBERS = 100  # of the object; COCO's has five
_SPACE = re.compile(r"[ \t\r\n]*")


class JsonArrayInvalid(ValueError):
    """Says what is wrong; whoever knows what the file is turns it into an error for people."""


def iter_json_array(file: IO[bytes]) -> Iterator[Any]:
    """The entries of the array that the file is, in order; what follows one is read only when it is asked for."""
    window = _Window(file)
    if window.next_character() != "[":
        raise JsonArrayInvalid("must be a JSON list")
    yield from window.entries("entry {}")
    if window.next_character():
        raise JsonArrayInvalid("goes on after the end of its list")


def iter_json_members(file: IO[bytes]) -> Iterator[tuple[str, Iterator[Any] | None]]:
    """The members of the object that the file is: name and entries, or None where the value is no array.

    Entries that nobody took are passed over before the next member; a value that is no array is passed over too.
    """
    window = _Window(file)
    if window.next_character() != "{":
        window.value("it")  # what is no JSON at all says so
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
        raise JsonArrayInvalid("goes on after the end of its object")


class _Window:
    """The part of the text that is being looked at; what was passed is forgotten when more is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._decode = codecs.getincrementaldecoder("utf-8")()
        self._json = json.JSONDecoder(parse_constant=_refuse)
        self._text = ""
        self._at = 0

    def entries(self, name: str) -> Iterator[Any]:
        """Those of the array that begins here; `name` is what errors call the entry `{}`."""
        self.skip()
        if self.next_character() == "]":
            self.skip()
            return
        for index in count():
            yield self.value(name.format(index))
            if self._ends(name.format(index), "]"):
                return

    def names(self) -> Iterator[str]:
        """Those of the object that begins here; the value that follows a name is for the caller to take."""
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
        """The first that is no space, without passing it; empty at the end."""
        while True:
            self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]  # it matches nothing too
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read_on():
                return ""

    def skip(self) -> None:
        self._at += 1

    def value(self, name: str) -> Any:
        """The value that begins at the next character. One that seems broken may only be cut by the window."""
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
            if end > len(self._text) - len("e+1") and self._read_on():  # a number may go on
                continue
            self._at = end
            return value

    def _read_on(self) -> bool:
        """False at the end of the file, where everything stays as it is."""
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
