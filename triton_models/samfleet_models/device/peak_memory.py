"""The most memory that a batch takes."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable

import torch

FRESH_SECONDS = 0.1  # the kernel takes up to a millisecond to read a process's peak


class PeakMemory:
    """Peak of a device's memory.

    On CUDA it is the peak since `reset`. The host's peak belongs to the process and cannot be reset; it is read at most
    every 0.1 s, so a batch that is shorter may miss what its last images took.
    """

    def __init__(self, device: torch.device, clock: Callable[[], float] = time.monotonic) -> None:
        self._device = device
        self._cuda = device.type == "cuda"
        self._clock = clock
        self._read_at = float("-inf")
        self._resident = 0

    def reset(self) -> None:
        if self._cuda:
            torch.cuda.reset_peak_memory_stats(self._device)

    def used_bytes(self) -> int:
        """Return the most memory in use: tensors on CUDA, the resident process on the CPU."""
        if self._cuda:
            return torch.cuda.max_memory_allocated(self._device)
        if self._clock() - self._read_at >= FRESH_SECONDS:
            self._resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            self._read_at = self._clock()
        return self._resident

    def reserved_bytes(self) -> int | None:
        """Return the most GPU memory that torch reserved since the reset, including its cache; None on a CPU.

        CUDA's context, libraries' own memory and ONNX Runtime's arena are in neither peak.
        """
        return torch.cuda.max_memory_reserved(self._device) if self._cuda else None
