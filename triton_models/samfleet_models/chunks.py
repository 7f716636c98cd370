"""Chunks of work that fit: how many prompts go through the decoder together, and what happens when memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import torch

OUT_OF_MEMORY = (torch.OutOfMemoryError, MemoryError)
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
USUAL_CACHE_BYTES = 16 * 2**20  # where the system does not tell
FREE_SHARE = 0.25  # of a GPU's free memory for the decoder's chunk; masks at full resolution need more than it does
UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}

Result = TypeVar("Result")


def in_chunks(
    count: int, size: int, work: Callable[[slice], Result], release_memory: Callable[[], None]
) -> Iterator[Result]:
    """`work` on 0 … `count`, `size` items at a time; out of memory halves the size and goes on, down to one item."""
    start = 0
    while start < count:
        rows = slice(start, min(start + size, count))
        try:
            result = work(rows)
        except OUT_OF_MEMORY:
            if rows.stop - start == 1:
                raise
        else:
            yield result
            start = rows.stop
            continue
        release_memory()  # only here, outside the `except`, whose traceback still holds tensors
        size = (rows.stop - start) // 2


def largest_cache_bytes(caches: Path = CACHES) -> int:
    """The last-level cache of the first core as Linux describes it, "32768K"."""
    sizes = [path.read_text().strip() for path in caches.glob("index*/size")]
    return max((int(size[:-1]) * UNITS[size[-1]] for size in sizes if size[-1:] in UNITS), default=USUAL_CACHE_BYTES)


def memory_for_chunks(device: torch.device) -> int:
    """Bytes that a chunk's tensors should stay within for the best speed."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free * FREE_SHARE)
    return largest_cache_bytes()
