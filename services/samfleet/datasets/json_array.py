"""A JSON array read entry by entry: a file of any size takes the memory of one entry and a window."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import IO, Any

WINDOW_BYTES = 2**20
MOST_CHARACTERS = 2**23  # of one entry: the run lengths of a mask of a hundred megapixels, were it noise


class JsonArrayInvalid(ValueError):
    """Says what is wrong; whoever knows what the file is turns it into an error for people."""


def iter_json_array(file: IO[bytes]) -> Iterator[Any]:
    """The entries of the array that the file is, in order; what follows one is read only when it is asked for."""
    window = _Window(file)
    if window.next_character() != "[":
        raise JsonArrayInvalid("must be a JSON list")
    window.skip()
    index = 0
    if window.next_character() == "]":
        window.skip()
    else:
        while True:
            yield window.value(f"entry {index}")
            index += 1
            separator = window.next_character()
            window.skip()
            if separator == "]":
                break
            if separator != ",":
                found = repr(separator) if separator else "the end of the file"
                raise JsonArrayInvalid(f"has {found} after entry {index - 1}, where ',' or ']' must follow")
    if window.next_character():
        raise JsonArrayInvalid("goes on after the end of its list")


class _Window:
    """The part of the text that is being looked at; what was passed is forgotten when more is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._decode = codecs.getincrementaldecoder("utf-8")()
        self._json = json.JSONDecoder(parse_constant=_refuse)
        self._text = ""
        self._at = 0

    def next_character(self) -> str:
        """The first that is no space, without passing it; empty at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in " \t\r\n":
                self._at += 1
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
