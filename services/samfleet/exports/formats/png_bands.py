"""PNG files written in bands of rows: Pillow needs all pixels of a file at once."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, PALETTE, RGBA = 0, 3, 6  # colour types
UP = 2  # the filter that stores the difference from the row above; masks rarely change from row to row
LEVEL = 6


def png_in_bands(
    size: tuple[int, int], bands: Iterable[NDArray[Any]], palette: NDArray[np.uint8] | None = None
) -> Iterator[bytes]:
    """Yield a PNG of `size` (height, width) from its bands of rows, from top to bottom.

    bool gives 1 bit of grey, uint8 8 and uint16 16; [rows, width, 4] of uint8 gives RGBA. `palette`, [256, 3] RGB, has
    the colours of 8 bits. All bands have the same type, and there is at least one.
    """
    compressor = zlib.compressobj(LEVEL)
    above: NDArray[np.uint8] | None = None
    for band in bands:
        rows = _stored(band)
        if above is None:
            above = np.zeros(rows.shape[1], dtype=np.uint8)
            yield SIGNATURE + _head(size, band, palette)
        if data := compressor.compress(_filtered(rows, above)):
            yield _chunk(b"IDAT", data)
        above = rows[-1]
    yield _chunk(b"IDAT", compressor.flush()) + _chunk(b"IEND", b"")


def _head(size: tuple[int, int], band: NDArray[Any], palette: NDArray[np.uint8] | None) -> bytes:
    height, width = size
    bits = 1 if band.dtype == np.bool_ else 8 * band.dtype.itemsize
    colour = PALETTE if palette is not None else GREY if band.ndim == 2 else RGBA  # noqa: PLR2004 - rows and columns
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return head if palette is None else head + _chunk(b"PLTE", palette.tobytes())


def _stored(band: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the bytes of each row as PNG stores them: [rows, bytes]."""
    if band.dtype == np.bool_:
        return np.packbits(band, axis=1)
    if band.dtype == np.uint16:
        band = band.astype(">u2")
    return np.ascontiguousarray(band).reshape(len(band), -1).view(np.uint8)


def _filtered(rows: NDArray[np.uint8], above: NDArray[np.uint8]) -> bytes:
    filtered = np.empty((len(rows), rows.shape[1] + 1), dtype=np.uint8)
    filtered[:, 0] = UP
    filtered[0, 1:] = rows[0] - above
    filtered[1:, 1:] = rows[1:] - rows[:-1]
    return filtered.tobytes()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
