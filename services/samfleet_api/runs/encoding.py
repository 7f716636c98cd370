"""Content codings of streams: negotiation (RFC 9110, 12.5.3) and compression."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Protocol

import zstandard

GZIP_LEVEL = 1  # three times as fast as level 6, which hardly shrinks RLE masks further
ZSTD_LEVEL = 3
GZIP_WINDOW = 31  # zlib's code for a gzip stream with the largest window


class Coding(StrEnum):
    """Content codings in order of preference: zstd is smaller and faster."""

    ZSTD = "zstd"
    GZIP = "gzip"
    IDENTITY = "identity"


class Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


COMPRESSORS: Mapping[Coding, Callable[[], Compressor]] = {
    Coding.ZSTD: lambda: zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True).compressobj(),
    Coding.GZIP: lambda: zlib.compressobj(GZIP_LEVEL, wbits=GZIP_WINDOW),
}


def choose_coding(accepted: str | None) -> Coding:
    """Return the coding with the largest weight in `Accept-Encoding`; identity without the header or a match."""
    weights: dict[str, float] = {}
    for item in (accepted or "").split(","):
        name, *parameters = (part.strip().casefold() for part in item.split(";"))
        weights[name] = _weight(parameters)
    wanted = [(weights.get(coding, weights.get("*", 0.0)), coding) for coding in COMPRESSORS]
    best, coding = max(wanted, key=lambda pair: pair[0])
    return coding if best > 0 and best >= weights.get(Coding.IDENTITY, 0.0) else Coding.IDENTITY


def encoded(chunks: Iterator[bytes], coding: Coding) -> Iterator[bytes]:
    if coding is Coding.IDENTITY:
        yield from chunks
        return
    compressor = COMPRESSORS[coding]()
    for chunk in chunks:
        if packed := compressor.compress(chunk):
            yield packed
    yield compressor.flush()


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0
