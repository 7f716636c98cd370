"""Resident memory of this process."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import torch

STATM = Path("/proc/self/statm")


def resident_bytes() -> int:
    """Return the current resident bytes, or the peak if there is no /proc."""
    if STATM.exists():
        return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def peak_bytes(device: torch.device) -> int:
    """Return the peak in bytes: of tensors since `reset_peak_memory` on CUDA, else of the process since its start."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
