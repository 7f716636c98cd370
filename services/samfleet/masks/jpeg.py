"""Structure of JPEG files: the number of scans, and what is wrong with a file that Pillow does not open."""

from __future__ import annotations

import re

from samfleet.image_errors import ImageFailed, ImageFormatUnsupported, ImageTruncated, ImageUnreadable

SIGNATURE = b"\xff\xd8"
MOST_SCANS = 100  # encoders write up to about 20; each costs a pass over the whole image, but few bytes
FRAMES = frozenset({0xC0, 0xC1, 0xC2, 0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)})
END, SCAN = 0xD9, 0xDA
ALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length
CHANNELS = (1, 3, 4)
BITS = 8  # of a channel
MARKER = 0xFF  # the first byte of every marker, and a fill byte before one
FRAME_BYTES = 6  # precision, height, width, number of channels
_MARKER_IN_SCAN = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # no stuffed byte, no restart marker, no fill byte


def check(data: bytes) -> None:
    """Raise `ImageUnreadable` for a progressive file with so many scans that it would take hours to decode."""
    at, scans = 2, 0
    while (marker := _marker(data, at)) not in (None, END):
        if marker != SCAN:
            at = _behind(data, at)
            continue
        scans += 1
        if scans > MOST_SCANS:
            raise ImageUnreadable(
                f"the JPEG has more than {MOST_SCANS} scans, which no usual program writes; save the image again"
            )
        following = _MARKER_IN_SCAN.search(data, _behind(data, at))
        if following is None:
            return
        at = following.start()


def fault(data: bytes) -> ImageFailed | None:
    """Return the fault of a file that Pillow does not open; None if it is damaged in another way."""
    at = 2
    while at < len(data):
        if at + 4 > len(data):
            return ImageTruncated()
        marker = _marker(data, at)
        behind = _behind(data, at)
        if marker in (None, END) or behind <= at:
            return None
        if behind > len(data):
            return ImageTruncated()
        if marker in FRAMES and (kind := _unread_kind(data[at + 4 : behind])):
            return ImageFormatUnsupported(
                f"the file is a JPEG with {kind}; convert it to 8 bits a channel, RGB or grey"
            )
        if marker == SCAN:
            return None
        at = behind
    return ImageTruncated()


def _marker(data: bytes, at: int) -> int | None:
    """Return the second byte of the marker at a place; None if there is no marker."""
    return data[at + 1] if at + 1 < len(data) and data[at] == MARKER else None


def _behind(data: bytes, at: int) -> int:
    """Return the place behind the segment at a place."""
    if data[at + 1] == MARKER:  # fill bytes may precede a marker
        return at + 1
    return at + 2 + (0 if data[at + 1] in ALONE else max(2, int.from_bytes(data[at + 2 : at + 4], "big")))


def _unread_kind(frame: bytes) -> str | None:
    """Describe the pixels of a frame's header that no decoder here reads."""
    if len(frame) < FRAME_BYTES or frame[5] == 0:
        return None
    if frame[0] != BITS:
        return f"{frame[0]} bits a channel"
    return None if frame[5] in CHANNELS else f"{frame[5]} channels"
