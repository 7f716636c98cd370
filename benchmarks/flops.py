"""The machine's peak in plain matrix products, with which the paths are compared."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from samfleet_models.ops.onednn import linear

PEAK_SIDE = {"cpu": 2048, "cuda": 8192}
PEAK_SECONDS = 2.0


def matrix_peak(device: torch.device, dtype: torch.dtype, seconds: float = PEAK_SECONDS) -> float:
    """Return the best GFLOP/s of repeated products of large square matrices, by torch's public product and oneDNN's."""
    side = PEAK_SIDE[device.type]
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    nothing = torch.zeros(side, device=device, dtype=dtype)
    methods: list[Callable[[], object]] = [lambda: torch.mm(a, b), lambda: linear(a, b, nothing)]
    best, deadline = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < deadline:
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
