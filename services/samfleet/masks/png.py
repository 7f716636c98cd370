"""Chunks of PNG files: those that the pixels and the orientation need, and what is wrong with a damaged file."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from samfleet.image_errors import ImageFailed, ImageTruncated, ImageUnreadable

SIGNATURE = b"\x89PNG\r\n\x1a\n"
INDEXED = 3  # the colour type with a palette
CHANNELS = {0: 1, 2: 3, INDEXED: 1, 4: 2, 6: 4}
PIXELS, PALETTE, HEADER, END = b"IDAT", b"PLTE", b"IHDR", b"IEND"
# Texts that may state the orientation: XMP, and the Exif data of ImageMagick
ORIENTATION_TEXTS = (b"XML:com.adobe.xmp\0", b"Raw profile type exif\0")
MOST_TEXT_BYTES = 2**20  # unpacked, of one chunk; Pillow refuses the file beyond that
PIECE_BYTES = 2**20
# Columns and rows of each pass of an interlaced image: left, top, step across, step down
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A complete chunk: `start` and `end` are its place in the file, with length, kind and checksum."""

    kind: bytes
    start: int
    end: int

    def content(self, data: bytes) -> bytes:
        return data[self.start + 8 : self.end - 4]

    def is_intact(self, data: bytes) -> bool:
        stated = int.from_bytes(data[self.end - 4 : self.end], "big")
        return zlib.crc32(memoryview(data)[self.start + 4 : self.end - 4]) == stated


def needed_chunks(data: bytes) -> bytes:
    """Return the file with the chunks that the pixels and the orientation need, the orientation first.

    Texts, colour profiles and the like are never used, but Pillow unpacks them, and one that it cannot read or that
    is too long costs the image. Frames of an animation behind the first are left out too. Raises `ImageTruncated` if
    there are no pixels, `ImageUnreadable` if the palette is missing.
    """
    chunks = list(_chunks(data))
    kinds = {chunk.kind for chunk in chunks}
    if END in kinds and PIXELS not in kinds:
        raise ImageTruncated
    if chunks[:1] and chunks[0].content(data)[9:10] == bytes([INDEXED]) and PIXELS in kinds and PALETTE not in kinds:
        raise ImageUnreadable("the PNG has colours of a palette, but no palette; save the image again")
    needed = [chunk for chunk in chunks if chunk.kind[:1].isupper()]
    stating = [chunk for chunk in chunks if _states_orientation(chunk, data)]
    if len(needed) == len(chunks):
        return data
    rest = chunks[-1].end
    view = memoryview(data)
    first, *others = needed or [chunks[0]]
    ordered = (first, *stating, *others)
    return b"".join((SIGNATURE, *(view[chunk.start : chunk.end] for chunk in ordered), view[rest:]))


def fault(data: bytes) -> ImageFailed | None:
    """Return the fault of a file that Pillow does not open; None if it is damaged in another way."""
    chunks = list(_chunks(data))
    if chunks and not (chunks[0].kind == HEADER and chunks[0].is_intact(data)):
        return None
    if PIXELS in {chunk.kind for chunk in chunks}:
        return None
    return ImageTruncated() if _is_cut(data, chunks[-1].end if chunks else len(SIGNATURE)) else None


def has_all_rows(data: bytes) -> bool:
    """Return False if the pixels end before the last row, which Pillow reads as black without an error."""
    chunks = list(_chunks(data))
    wanted = _unpacked_bytes(chunks[0].content(data))
    unpack = zlib.decompressobj()
    found = 0
    for chunk in chunks:
        if chunk.kind != PIXELS:
            continue
        packed = chunk.content(data)
        while packed and found < wanted and not unpack.eof:
            found += len(unpack.decompress(packed, PIECE_BYTES))
            packed = unpack.unconsumed_tail
    return found >= wanted


def _chunks(data: bytes) -> Iterator[_Chunk]:
    """Yield the complete chunks up to the end of the image, or up to the first place without one."""
    at = len(SIGNATURE)
    while at + 12 <= len(data):
        kind = data[at + 4 : at + 8]
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if not kind.isalpha() or end > len(data):
            return
        yield _Chunk(kind, at, end)
        if kind == END:
            return
        at = end


def _is_cut(data: bytes, at: int) -> bool:
    """Return True if the file ends within a chunk, or where one should start."""
    kind = data[at + 4 : at + 8]
    return len(kind) < len(PIXELS) or (
        kind.isalpha() and at + 12 + int.from_bytes(data[at : at + 4], "big") > len(data)
    )


def _states_orientation(chunk: _Chunk, data: bytes) -> bool:
    if chunk.kind == b"eXIf":
        return chunk.is_intact(data)
    content = chunk.content(data) if chunk.kind in (b"tEXt", b"zTXt", b"iTXt") else b""
    if not content.startswith(ORIENTATION_TEXTS) or not chunk.is_intact(data):
        return False
    return _text_bytes(chunk.kind, content) <= MOST_TEXT_BYTES


def _text_bytes(kind: bytes, content: bytes) -> int:
    """Return the length of an unpacked text; one byte more than allowed for a longer one."""
    value = content.partition(b"\0")[2]
    packed = kind == b"zTXt" or (kind == b"iTXt" and value[:1] == b"\1")
    if not packed:
        return len(content)
    stream = value[1:] if kind == b"zTXt" else value[2:].split(b"\0", 2)[-1]
    try:
        return len(zlib.decompressobj().decompress(stream, MOST_TEXT_BYTES + 1))
    except zlib.error:
        return MOST_TEXT_BYTES + 1


def _unpacked_bytes(header: bytes) -> int:
    width, height = (int.from_bytes(header[at : at + 4], "big") for at in (0, 4))
    bits, interlaced = header[8] * CHANNELS[header[9]], header[12]
    total = 0
    for left, top, across, down in PASSES if interlaced else ((0, 0, 1, 1),):
        columns, rows = max(0, -(-(width - left) // across)), max(0, -(-(height - top) // down))
        total += rows * (1 + (columns * bits + 7) // 8) if columns else 0
    return total
