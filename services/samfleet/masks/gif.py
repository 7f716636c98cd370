"""Blocks of GIF files: the number of frames and the largest of them, before a decoder allocates memory.

A frame may be larger than the canvas that the header states, and Pillow then enlarges the canvas.
"""

from __future__ import annotations

from typing import IO

from samfleet.image_errors import ImageTruncated, TooManyFrames

SIGNATURE = b"GIF8"
HEADER_BYTES = 13
FRAME, EXTENSION, END = b",", b"!", b";"
HAS_COLOURS = 0x80


def survey(file: IO[bytes], most: int) -> tuple[int, tuple[int, int]]:
    """Return the number of complete frames, and (width, height) of a canvas that holds all of them.

    Raises `TooManyFrames` above `most`, and `ImageTruncated` if not even one frame is complete.
    """
    file.seek(0)
    header = file.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES:
        raise ImageTruncated
    width, height = _number(header[6:8]), _number(header[8:10])
    file.seek(_colour_bytes(header[10]), 1)
    frames = 0
    while (kind := file.read(1)) in (FRAME, EXTENSION):
        if kind == EXTENSION:
            file.seek(1, 1)
        else:
            place = file.read(9)
            if len(place) < 9:  # noqa: PLR2004 - bytes of a frame's header
                break
            right, bottom = _number(place[0:2]) + _number(place[4:6]), _number(place[2:4]) + _number(place[6:8])
            file.seek(_colour_bytes(place[8]) + 1, 1)
        if not _skip_blocks(file):
            break
        if kind == FRAME:
            frames, width, height = frames + 1, max(width, right), max(height, bottom)
        if frames > most:
            raise TooManyFrames(f"the GIF has more than {most} frames; split it, or raise SAMFLEET_MAX_FRAMES")
    if not frames:
        raise ImageTruncated
    return frames, (width, height)


def _skip_blocks(file: IO[bytes]) -> bool:
    """Move behind the next sequence of blocks. Return False if the file ends before it."""
    while length := file.read(1):
        if length == b"\0":
            return True
        file.seek(length[0], 1)
    return False


def _colour_bytes(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & HAS_COLOURS else 0


def _number(two: bytes) -> int:
    return int.from_bytes(two, "little")
