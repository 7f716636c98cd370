"""Headers of WebP files, read before the decoder allocates memory for the canvas."""

from __future__ import annotations

HEADER_BYTES = 30
LOSSLESS_SIGNATURE = b"\x2f"


def is_webp(data: bytes) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def is_cut(data: bytes) -> bool:
    """Return True if the file is shorter than its header states."""
    return len(data) < 8 + int.from_bytes(data[4:8], "little")


def canvas(data: bytes) -> tuple[int, int] | None:
    """Return (width, height) in pixels that the first chunk states; None if it states none."""
    kind = data[12:16]
    if len(data) < HEADER_BYTES:
        return None
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L" and data[20:21] == LOSSLESS_SIGNATURE:
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
    return None
