"""Whether a variant fits beside what is loaded already, asked before the load: Linux refuses no memory, it kills."""

from __future__ import annotations

from pathlib import Path

import torch

from samfleet.errors import SamfleetError
from samfleet_models.gpu_memory import free_gpu_bytes

# A load reads the file, builds the network from it and fuses that: three copies at the worst moment.
COPIES_OF_WEIGHTS = 3
WORKING_BYTES = 768 * 2**20  # an image's SegEvery at 32 x 32 points, Python and torch themselves (563 MiB measured)
COPIES_ON_GPU = 2  # the published network and what is fused from it
# Features of an image, the least chunk of prompts and libraries' work space: reasoned from ViT-H's attention (1 GB),
# not measured; chunks and drawing take what they find free.
WORKING_BYTES_ON_GPU = 1536 * 2**20
MEMORY_INFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")


class DeviceMemoryShort(SamfleetError):
    """The device has too little free memory for this variant."""

    code = "device_memory_short"


def check_room(weights_bytes: int, device: torch.device, kept_free_bytes: int = 0) -> None:
    """Raises `DeviceMemoryShort`, on which the worker unloads the variant that was used longest ago and tries again.

    `kept_free_bytes` are the device's. On a GPU the host must have room too: the file is read and fused there.
    """
    host = torch.device("cpu")
    on_host = COPIES_OF_WEIGHTS * weights_bytes + WORKING_BYTES
    if device.type == "cpu":
        _require(device, on_host + kept_free_bytes)
        return
    _require(device, COPIES_ON_GPU * weights_bytes + WORKING_BYTES_ON_GPU + kept_free_bytes)
    _require(host, on_host)


def _require(device: torch.device, needed: int) -> None:
    free = free_bytes(device)
    if free < needed:
        raise DeviceMemoryShort(
            f"{device.type} has {free / 2**20:.0f} MiB free and this variant needs {needed / 2**20:.0f} MiB; "
            "unload others, lower SAMFLEET_MEMORY_KEPT_FREE, or raise SAMFLEET_GPU_MEMORY_SHARE if it is set"
        )


def free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return free_gpu_bytes(device)
    return free_host_bytes()


def free_host_bytes(memory_info: Path = MEMORY_INFO, cgroup: Path = CGROUP) -> int:
    """What the kernel could give out without swapping, and what the container's limit (cgroup v2) leaves of it."""
    available, limit = _meminfo_bytes(memory_info, "MemAvailable"), _limit_bytes(cgroup)
    if limit is None:
        return available
    used = int((cgroup / "memory.current").read_text())
    statistics = dict(line.split() for line in (cgroup / "memory.stat").read_text().splitlines())
    return min(available, limit - used + int(statistics["inactive_file"]))


def total_host_bytes(memory_info: Path = MEMORY_INFO, cgroup: Path = CGROUP) -> int:
    """The machine's memory, or the container's limit where that is less."""
    total, limit = _meminfo_bytes(memory_info, "MemTotal"), _limit_bytes(cgroup)
    return total if limit is None else min(total, limit)


def _meminfo_bytes(memory_info: Path, name: str) -> int:
    lines = dict(line.split(":", 1) for line in memory_info.read_text().splitlines())
    return int(lines[name].split()[0]) * 1024


def _limit_bytes(cgroup: Path) -> int | None:
    limit = cgroup / "memory.max"
    words = limit.read_text().strip() if limit.exists() else ""
    return int(words) if words.isdigit() else None
