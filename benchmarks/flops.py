"""The machine's peak in plain matrix products, with which the paths are compared."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from samfleet_models.ops.onednn import linear

# Other programs rarely leave a CPU alone for the time of a large product, so short ones are tried too.
PEAK_SIDES = {"cpu": (512, 1024, 2048), "cuda": (8192,)}
PEAK_SECONDS = 2.0


def matrix_peak(device: torch.device, dtype: torch.dtype, seconds: float = PEAK_SECONDS) -> float:
    """Return the best GFLOP/s of repeated products of square matrices, by torch's public product and oneDNN's.

    Every side of `PEAK_SIDES` is repeated for an equal part of `seconds`, at least once.
    """
    sides = PEAK_SIDES[device.type]
    return max(_peak_of_side(side, device, dtype, seconds / len(sides)) for side in sides)


def _peak_of_side(side: int, device: torch.device, dtype: torch.dtype, seconds: float) -> float:
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    nothing = torch.zeros(side, device=device, dtype=dtype)
    methods: list[Callable[[], object]] = [lambda: torch.mm(a, b), lambda: linear(a, b, nothing)]
    best, deadline = float("inf"), time.perf_counter() + seconds
    while best == float("inf") or time.perf_counter() < deadline:
        for method in methods:
            synchronize(device)
            begun = time.perf_counter()
            method()
            synchronize(device)
            best = min(best, time.perf_counter() - begun)
    return 2 * side**3 / best / 1e9


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
