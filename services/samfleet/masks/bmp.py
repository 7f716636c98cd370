"""Headers of BMP files: sizes that Pillow misreads, and what is wrong with a file that it does not open."""

from __future__ import annotations

from samfleet.image_errors import ImageFailed, ImageFormatUnsupported, ImageTruncated, ImageUnreadable

SIGNATURE = b"BM"
FILE_HEADER_BYTES = 14
INFO_BYTES = 40  # the header since Windows 3; the older one has unsigned sizes of two bytes
READABLE = frozenset({0, 1, 2, 3})  # pixels, run lengths of 8 and 4 bits, masks
INSIDE = {4: "a JPEG", 5: "a PNG"}


def check(data: bytes) -> None:
    """Raise `ImageUnreadable` for a negative width, which Pillow takes for a huge one."""
    if _header_bytes(data) >= INFO_BYTES and int.from_bytes(data[18:22], "little", signed=True) < 0:
        raise ImageUnreadable("the BMP states a negative width; save the image again")


def fault(data: bytes) -> ImageFailed | None:
    """Return the fault of a file that Pillow does not open; None if it is damaged in another way."""
    if len(data) < FILE_HEADER_BYTES + max(4, _header_bytes(data)):
        return ImageTruncated()
    compression = int.from_bytes(data[30:34], "little")
    if _header_bytes(data) < INFO_BYTES or compression in READABLE - {3}:
        return None
    kind = f"{INSIDE[compression]} inside" if compression in INSIDE else "unusual masks or an unusual compression"
    return ImageFormatUnsupported(f"the file is a BMP with {kind}; convert it to PNG")


def _header_bytes(data: bytes) -> int:
    return int.from_bytes(data[14:18], "little")
