"""The machine that a step runs on, and its memory."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch

from benchmarks.environment import commit, versions
from benchmarks.gpu_check.options import Options
from benchmarks.memory import resident_bytes
from samfleet_models.device.hardware import choose_device, fingerprint, prepare_device


def ready_device(options: Options) -> torch.device:
    """Return the device with the engine's settings. Raise RuntimeError if there is no such device."""
    device = choose_device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise RuntimeError(f"torch {torch.__version__} (CUDA {torch.version.cuda}) finds no GPU; check the driver")
    prepare_device(device, None)
    return device


def environment(options: Options, device: torch.device) -> dict[str, Any]:
    return {
        **fingerprint(device),
        "cudnn": torch.backends.cudnn.version() if device.type == "cuda" else None,  # type: ignore[no-untyped-call]
        "numpy": np.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": versions(),
        "commit": options.commit or commit(),
        "small": options.small,
        "begun_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def memory(device: torch.device) -> dict[str, int]:
    """Return the current bytes: the process's, torch's on the GPU, and the GPU's total use by all processes."""
    found = {"resident_bytes": resident_bytes()}
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        found |= {
            "allocated_bytes": torch.cuda.memory_allocated(device),
            "reserved_bytes": torch.cuda.memory_reserved(device),
            "gpu_used_bytes": total - free,
        }
    return found
