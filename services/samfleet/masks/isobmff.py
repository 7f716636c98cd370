"""Boxes of files in the ISO base media format: AVIF, HEIC and the container of JPEG XL (ISO/IEC 14496-12)."""

from __future__ import annotations

from collections.abc import Iterator

AVIF_BRANDS = frozenset({b"avif", b"avis"})
HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
SPATIAL_EXTENTS = b"ispe\0\0\0\0"  # property of an image, with version 0 and no flags: its width and height follow
FIRST_BRANDS = 16  # of a file; more are not read


def brands(data: bytes) -> frozenset[bytes]:
    """Return the brands that the file states in its first box; none if that is not `ftyp`."""
    if data[4:8] != b"ftyp":
        return frozenset()
    end = min(int.from_bytes(data[:4], "big"), 16 + 4 * FIRST_BRANDS)
    return frozenset({data[8:12], *(data[at : at + 4] for at in range(16, end, 4))})


def is_avif(data: bytes) -> bool:
    return bool(brands(data) & AVIF_BRANDS)


def is_heif(data: bytes) -> bool:
    """Return True for HEIC and its relatives, and not for AVIF, which states the general brands too."""
    found = brands(data)
    return bool(found & HEIF_BRANDS) and not found & AVIF_BRANDS


def boxes(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the kind of each outermost box, and where its content begins and ends. The end may be behind the data."""
    at = 0
    while at + 8 <= len(data):
        size, content = int.from_bytes(data[at : at + 4], "big"), at + 8
        if size == 1:
            size, content = int.from_bytes(data[content : content + 8], "big"), content + 8
        end = at + size if size else len(data)
        if end < content:
            return
        yield data[at + 4 : at + 8], content, end
        at = end


def is_cut(data: bytes) -> bool:
    """Return True if a box states more bytes than the file has."""
    return any(end > len(data) for _, _, end in boxes(data))


def largest(data: bytes) -> tuple[int, int] | None:
    """Return (width, height) in pixels of the image with the most pixels that the file describes; None without any."""
    found = []
    for kind, begin, end in boxes(data):
        at = data.find(SPATIAL_EXTENTS, begin, end) if kind == b"meta" else -1
        while at >= 0:
            at += len(SPATIAL_EXTENTS)
            found.append((int.from_bytes(data[at : at + 4], "big"), int.from_bytes(data[at + 4 : at + 8], "big")))
            at = data.find(SPATIAL_EXTENTS, at, end)
    return max(found, key=lambda size: size[0] * size[1], default=None)
