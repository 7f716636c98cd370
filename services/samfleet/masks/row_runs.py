"""Run lengths of masks in row-major order, which CVAT and Label Studio use; COCO's are column-major."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

# Run lengths of Label Studio's brushes have one of four sizes in bits, the least that holds the length minus 1.
BRUSH_SIZES = (3, 4, 8, 16)
LONGEST_RUN = 2**16
CHANNELS = 4  # a brush is an RGBA picture whose channels all have the same value
PAINTED = 255


def row_runs(bands: Iterable[NDArray[np.bool_]]) -> list[int]:
    """Return run lengths of a mask, row after row: unset pixels, then set ones, and so on.

    `bands` are its rows [rows, width] from top to bottom, with at least one pixel. The first run is 0 if the first
    pixel is set.
    """
    edges, pixels, last = [np.zeros(1, np.int64)], 0, False
    for bits in bands:
        flat = bits.ravel()
        edges.append(np.flatnonzero(np.diff(flat, prepend=last)) + pixels)
        pixels, last = pixels + flat.size, bool(flat[-1])
    runs: list[int] = np.diff(np.concatenate([*edges, [pixels]])).tolist()
    return runs


def brush_rle(bands: Iterable[NDArray[np.bool_]]) -> bytes:
    """Encode a mask as Label Studio stores a brush; `bands` are its rows [rows, width] from top to bottom.

    The format is rle-pack of thi.ng/umbrella: 32 bits with the number of values, 5 with their size minus 1, four times
    4 with the sizes of run lengths minus 1; then for each run a 1, 2 bits that choose a size, the length minus 1, and
    the value. Zero bits fill the last byte.
    """
    runs = row_runs(bands)
    head = f"{sum(runs) * CHANNELS:032b}{7:05b}" + "".join(f"{size - 1:04b}" for size in BRUSH_SIZES)
    pieces = [head]
    for place, run in enumerate(runs):
        value = PAINTED if place % 2 else 0
        whole, rest = divmod(run * CHANNELS, LONGEST_RUN)
        pieces.extend([_run(LONGEST_RUN, value)] * whole)
        if rest:
            pieces.append(_run(rest, value))
    packed = "".join(pieces)
    size = -(-len(packed) // 8)
    return int(packed.ljust(8 * size, "0"), 2).to_bytes(size)


def _run(length: int, value: int) -> str:
    choice = next(place for place, size in enumerate(BRUSH_SIZES) if length <= 2**size)
    return f"1{choice:02b}{length - 1:0{BRUSH_SIZES[choice]}b}{value:08b}"
