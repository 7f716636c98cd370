"""Run-length codes of packed masks: all at once, by pycocotools, and by two Python loops over masks and their runs.

    python benchmarks/rle.py --masks 1000 --height 480 --width 640

Checks that the codes are equal, then times the four alternately and prints the ratios to the common loop.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from samfleet.masks.rle import encode_runs
from samfleet.masks.runs import Runs, pack_columns, pieces

Bits = NDArray[np.uint8]
Size = tuple[int, int]
CHUNK = 192  # masks of 64 points
UNCODED_START = 3  # counts that are written without differencing


@dataclass(frozen=True, slots=True)
class RleTimes:
    """CPU seconds for all masks on one thread, medians over the rounds; every method starts from packed bits."""

    masks: int
    size: Size
    runs_per_mask: float
    at_once: float
    pycocotools: float
    common_loop: float
    lean_loop: float

    @property
    def ratio(self) -> float:
        return self.at_once / self.common_loop


def blobs(count: int, size: Size, seed: int = 0) -> Bits:
    """Return [count, packed_bytes] of masks of a few ellipses with ragged edges, like real segments."""
    random = np.random.default_rng(seed)
    x, y = np.ogrid[: size[1], : size[0]]
    return np.concatenate([pack_columns(_blob(random, x, y)[None]) for _ in range(count)])


def measure(count: int = 1000, size: Size = (480, 640), rounds: int = 3) -> RleTimes:
    bits = blobs(count, size)
    methods: list[Callable[[Bits, Size], list[str]]] = [
        encode_at_once,
        encode_by_pycocotools,
        encode_by_common_loop,
        encode_by_lean_loop,
    ]
    samples: list[list[float]] = [[] for _ in methods]
    for _ in range(rounds):
        codes = []
        for method, times in zip(methods, samples, strict=True):
            start = time.process_time()
            codes.append(method(bits, size))
            times.append(time.process_time() - start)
        if any(code != codes[0] for code in codes):
            raise AssertionError("the four methods return different codes: one of them is wrong")
    runs = len(Runs.of_bits(bits, size).mask) / count
    return RleTimes(count, size, runs, *(statistics.median(times) for times in samples))


def encode_at_once(bits: Bits, size: Size) -> list[str]:
    return [code for piece in pieces(bits) for code in encode_runs(Runs.of_bits(bits[piece], size))]


def encode_by_pycocotools(bits: Bits, size: Size) -> list[str]:
    pixels = np.unpackbits(bits, axis=1, count=size[0] * size[1]).reshape(len(bits), size[1], size[0])
    return [rle["counts"].decode("ascii") for rle in coco_mask.encode(pixels.transpose(2, 1, 0))]


def encode_by_common_loop(bits: Bits, size: Size) -> list[str]:
    """Encode as `mask_to_rle_pytorch` (segment_anything/utils/amg.py, also in transformers), 192 masks per chunk.

    All changes of a chunk are in one table, from which each mask selects its own; then a Python step for each run.
    """
    pixels = size[0] * size[1]
    codes = []
    for start in range(0, len(bits), CHUNK):
        masks = torch.from_numpy(np.unpackbits(bits[start : start + CHUNK], axis=1, count=pixels)).bool()
        changes = (masks[:, 1:] ^ masks[:, :-1]).nonzero()
        for row in range(len(masks)):
            own = changes[changes[:, 0] == row, 1] + 1
            edges = [0, *own.tolist(), pixels]
            codes.append(_code(bool(masks[row, 0]), edges))
    return codes


def encode_by_lean_loop(bits: Bits, size: Size) -> list[str]:
    """Find the changes of each mask with numpy alone, then a Python step for each run."""
    pixels = size[0] * size[1]
    codes = []
    for row in bits:
        mask = np.unpackbits(row, count=pixels)
        edges = [0, *(np.flatnonzero(mask[1:] != mask[:-1]) + 1).tolist(), pixels]
        codes.append(_code(bool(mask[0]), edges))
    return codes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--masks", type=int, default=1000)
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    times = measure(options.masks, (options.height, options.width), options.rounds)
    print(f"{times.masks} masks of {options.width}x{options.height}, {times.runs_per_mask:.0f} runs each")
    for name in ("at_once", "pycocotools", "common_loop", "lean_loop"):
        seconds: float = getattr(times, name)
        print(f"{name:<12}{seconds * 1e3:>10.1f} ms{seconds / times.common_loop:>9.3f} of the common loop's time")


def _blob(
    random: np.random.Generator, x: NDArray[np.int64], y: NDArray[np.int64]
) -> NDArray[np.bool_]:  # [width, height]
    width, height = len(x), y.shape[1]
    mask = np.zeros((width, height), dtype=np.bool_)
    for _ in range(3):
        centre, radius = random.uniform(0, (width, height)), random.uniform(0.03, 0.3, 2) * (width, height)
        waves = 0.1 * (np.sin(x / random.uniform(2, 20)) + np.sin(y / random.uniform(2, 20)))
        mask |= ((x - centre[0]) / radius[0]) ** 2 + ((y - centre[1]) / radius[1]) ** 2 + waves < 1
    return mask


def _code(first: bool, edges: list[int]) -> str:
    counts = [0] if first else []
    for start, stop in pairwise(edges):
        counts.append(stop - start)
    differences = counts[:UNCODED_START]
    for place in range(UNCODED_START, len(counts)):
        differences.append(counts[place] - counts[place - 2])
    return "".join(_characters(value) for value in differences)


def _characters(value: int) -> str:
    text = ""
    while True:
        low, value = value & 31, value >> 5
        if value == (-1 if low & 16 else 0):
            return text + chr(low + 48)
        text += chr(low + 80)


if __name__ == "__main__":
    main()
