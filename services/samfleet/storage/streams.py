"""Streams that read an object in pieces and map the errors of its adapter."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    from typing_extensions import Buffer

BUFFER_BYTES = 1 << 20


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...

    def close(self) -> None: ...


def mapped_stream(source: Readable, mapped: Callable[[], AbstractContextManager[None]]) -> BinaryIO:
    """Return a buffered stream over `source`; every read runs inside `mapped()`, which translates foreign errors."""
    return io.BufferedReader(_MappedStream(source, mapped), BUFFER_BYTES)


class _MappedStream(io.RawIOBase):
    def __init__(self, source: Readable, mapped: Callable[[], AbstractContextManager[None]]) -> None:
        self._source = source
        self._mapped = mapped

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        room = memoryview(buffer).cast("B")
        with self._mapped():
            data = self._source.read(len(room))
        room[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._source.close()
        super().close()
