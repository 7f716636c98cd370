"""COCO compressed RLE of binary masks (pycocotools' `mask` API, column-major)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from samfleet.masks.runs import Runs, pack_columns


def encode_columns(columns: NDArray[np.uint8]) -> list[str]:
    """Encode transposed masks: [masks, width, height] uint8 of 0 and 1, C order."""
    _, width, height = columns.shape
    return encode_runs(Runs.of_bits(pack_columns(columns), (height, width)))


def encode_runs(runs: Runs) -> list[str]:
    """Encode all masks at once, with the same bytes as pycocotools' `rleToString`.

    From the fourth on, a count is written as its difference from the count two before. Low bits come first, 5 in a
    character; the sixth bit means that more follow (common/maskApi.c of cocodataset/cocoapi).
    """
    values, per_mask = _differences(runs)
    lengths = _code_lengths(values)
    ends = np.cumsum(lengths)
    text = np.empty(int(lengths.sum()), dtype=np.uint8)
    places, left = ends - lengths, lengths
    while len(values):
        more = left > 1
        text[places] = (values & 31) + 32 * more + 48
        values, places, left = values[more] >> 5, places[more] + 1, left[more] - 1
    code = text.tobytes().decode("ascii")
    stops = ends[np.cumsum(per_mask) - 1].tolist()
    return [code[start:stop] for start, stop in zip([0, *stops], stops, strict=False)]


def encode_mask(mask: NDArray[np.bool_]) -> str:
    """Encode one mask [height, width]."""
    return encode_columns(np.ascontiguousarray(mask.T)[None].view(np.uint8))[0]


def decode_mask(counts: str, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Decode a mask [height, width]; `size` is (height, width)."""
    decoded: NDArray[np.uint8] = coco_mask.decode({"counts": counts.encode("ascii"), "size": list(size)})
    return decoded.astype(bool)


def run_lengths(counts: str) -> NDArray[np.int64]:
    """Return the run lengths of one mask, zeros and ones in turn, as pycocotools' `rleFrString` reads them."""
    codes = np.frombuffer(counts.encode("ascii"), dtype=np.uint8).astype(np.int64) - 48
    last = codes & 32 == 0  # of a value
    starts = np.concatenate([np.zeros(1, np.int64), np.flatnonzero(last)[:-1] + 1])
    places = np.arange(len(codes)) - np.repeat(starts, np.diff(np.append(starts, len(codes))))
    values = np.add.reduceat((codes & 31) << (5 * places), starts)
    values -= np.where(codes[last] & 16, 1 << (5 * (places[last] + 1)), 0)  # the sign
    for first in (1, 2):  # from the fourth on, a count is the difference from the count two before
        values[first::2] = np.cumsum(values[first::2])
    return values


def _code_lengths(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of characters of each value: the fewest that represent it in two's complement."""
    lengths = np.ones(len(values), dtype=np.int64)
    magnitude = values ^ (values >> 63)
    limit, least = int(magnitude.max(initial=0)), 16
    while limit >= least:
        lengths += magnitude >= least
        least <<= 5
    return lengths


def _differences(runs: Runs) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the numbers to write, mask after mask, and how many belong to each mask.

    Counts end at the starts and stops of runs and at the mask's last pixel; a stop at the last pixel ends only one.
    """
    pixels = runs.size[0] * runs.size[1]
    closed = np.bincount(runs.mask[runs.stop == pixels], minlength=runs.count)
    per_mask = 2 * np.bincount(runs.mask, minlength=runs.count) + 1 - closed
    total = int(per_mask.sum())
    edges = np.full(total, pixels, dtype=np.int64)
    first = np.cumsum(per_mask) - per_mask
    run_start = np.arange(0, 2 * len(runs.mask), 2) + runs.mask - (np.cumsum(closed) - closed)[runs.mask]
    edges[run_start] = runs.start
    edges[run_start + 1] = runs.stop
    previous = np.concatenate([[0], edges[:-1]])[:total]
    previous[first] = 0
    counts = edges - previous
    place = np.arange(total) - np.repeat(first, per_mask)
    later = np.flatnonzero(place > 2)  # noqa: PLR2004 - the first three counts are written without a difference
    values = counts.copy()
    values[later] -= counts[later - 2]
    return values, per_mask
