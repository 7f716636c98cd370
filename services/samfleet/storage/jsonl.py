"""Part files: one JSON object per line, compressed with zstd.

A reader detects damage: zstd's frame ends are checked, so a truncated file is an error, never fewer rows. Concatenated
part files are valid; the reader continues across frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson
import zstandard

from samfleet.errors import SamfleetError
from samfleet.storage.store import ObjectStore

LEVEL = 3  # zstd's default; RLE gains little from higher levels
CHUNK_BYTES = 1 << 17  # compressed; about ten times as many uncompressed


class PartFileDamaged(SamfleetError):
    """A part file is damaged; retry the shard that wrote it."""

    code = "part_file_damaged"


def write_jsonl_zst(store: ObjectStore, key: str, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write the rows as one object and return its size in bytes. NaN and infinity, which JSON lacks, become null."""
    return store.put_stream(key, _compressed(rows))


def read_jsonl_zst(store: ObjectStore, key: str) -> Iterator[dict[str, Any]]:
    rest = b""
    for block in read_blocks(store, key):
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            yield _row(key, line)
    if rest:
        raise PartFileDamaged(f"part file {key!r} ends in the middle of a line; retry the shard that wrote it")


def _compressed(rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compressobj()
    for row in rows:
        if chunk := compressor.compress(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)):
            yield chunk
    yield compressor.flush()


def read_blocks(store: ObjectStore, key: str) -> Iterator[bytes]:
    """Yield the uncompressed text in blocks that end at any byte; reading all blocks checks the whole file."""
    decompressor = zstandard.ZstdDecompressor()
    frame = decompressor.decompressobj()
    begun = False
    with store.open(key) as file:
        while data := file.read(CHUNK_BYTES):
            while data:
                if frame.eof:
                    frame = decompressor.decompressobj()
                begun = True
                try:
                    yield frame.decompress(data)
                except zstandard.ZstdError as error:
                    raise PartFileDamaged(
                        f"part file {key!r} is damaged ({error}); retry the shard that wrote it"
                    ) from error
                data = frame.unused_data
    if not begun or not frame.eof:
        raise PartFileDamaged(f"part file {key!r} is truncated; retry the shard that wrote it")


def _row(key: str, line: bytes) -> dict[str, Any]:
    try:
        row: dict[str, Any] = orjson.loads(line)
    except ValueError as error:
        raise PartFileDamaged(f"part file {key!r} has a line that is not JSON ({error})") from error
    return row
