"""Headers of JPEG XL files, because the plugin of Pillow decodes the pixels when it opens the file.

The layout is that of ISO/IEC 18181-1 (size header and the first fields of the image metadata) and 18181-2 (boxes).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from samfleet.masks import isobmff

CODESTREAM = b"\xff\x0a"
CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n"
HEADER_BYTES = 16  # the fields read here take at most 79 bits
RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
SIZE_BITS = (9, 13, 18, 30)


@dataclass(frozen=True, slots=True)
class Header:
    """Size in pixels as stored, and the orientation, with the numbers of EXIF."""

    width: int
    height: int
    orientation: int


@dataclass(slots=True)
class Bits:
    """Reader of a codestream's bits: the lowest of each byte is the first."""

    value: int
    left: int

    @classmethod
    def of(cls, data: bytes) -> Self:
        return cls(int.from_bytes(data, "little"), 8 * len(data))

    def take(self, count: int) -> int:
        """Return the next bits as a number. Raises `EOFError` behind the end."""
        if count > self.left:
            raise EOFError
        taken = self.value & ((1 << count) - 1)
        self.value >>= count
        self.left -= count
        return taken


def is_jxl(data: bytes) -> bool:
    return data.startswith((CODESTREAM, CONTAINER))


def is_cut(data: bytes) -> bool:
    """Return True if a container is shorter than its boxes state. A bare codestream does not state its length."""
    return data.startswith(CONTAINER) and isobmff.is_cut(data)


def header(data: bytes) -> Header | None:
    """Return what the file states of its pixels; None if it has no codestream or ends in its header."""
    stream = _codestream(data)
    if not stream.startswith(CODESTREAM):
        return None
    bits = Bits.of(stream[len(CODESTREAM) :])
    try:
        width, height = _size(bits)
        return Header(width, height, _orientation(bits))
    except EOFError:
        return None


def _codestream(data: bytes) -> bytes:
    """Return the first bytes of the codestream, which a container may hold in several boxes."""
    if data.startswith(CODESTREAM):
        return data[:HEADER_BYTES]
    found = b""
    for kind, begin, end in isobmff.boxes(data):
        if kind == b"jxlc":
            return data[begin : min(end, begin + HEADER_BYTES)]
        if kind == b"jxlp":  # begins with its number, of four bytes
            found += data[begin + 4 : max(begin + 4, min(end, begin + 4 + HEADER_BYTES))]
        if len(found) >= HEADER_BYTES:
            break
    return found


def _size(bits: Bits) -> tuple[int, int]:
    small = bits.take(1)
    height = _extent(bits, small)
    ratio = bits.take(3)
    if not ratio:
        return _extent(bits, small), height
    over, under = RATIOS[ratio]
    return height * over // under, height


def _extent(bits: Bits, small: int) -> int:
    if small:
        return 8 * (1 + bits.take(5))
    return 1 + bits.take(SIZE_BITS[bits.take(2)])


def _orientation(bits: Bits) -> int:
    all_default = bits.take(1)
    if all_default or not bits.take(1):
        return 1
    return 1 + bits.take(3)
