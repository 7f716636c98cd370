"""Free memory of a device, chunk sizes that fit into it, and detection of out-of-memory errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch

from samfleet.errors import SamfleetError
from samfleet_models.device.gpu_memory import free_gpu_bytes, unused_bytes

# A load reads the file, builds the network from it and fuses that: three copies at the worst moment.
COPIES_OF_WEIGHTS = 3
WORKING_BYTES = 768 * 2**20  # an image's SegEvery at 32 x 32 points, Python and torch (563 MiB measured)
COPIES_ON_GPU = 2  # the published network and the fused one
# Features of an image, the smallest chunk of prompts and the libraries' work space: estimated from ViT-H's attention
# (1 GB), not measured. Chunks and drawing adapt to the free memory.
WORKING_BYTES_ON_GPU = 1536 * 2**20
MEMORY_INFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")


class DeviceMemoryShort(SamfleetError):
    """The device has too little free memory for this variant."""

    code = "device_memory_short"


def check_free_memory(weights_bytes: int, device: torch.device, kept_free_bytes: int = 0) -> None:
    """Raise `DeviceMemoryShort` if the variant does not fit.

    The worker then unloads the least recently used variant and tries again. `kept_free_bytes` are the device's. On a
    GPU the host needs free memory too: the file is read and fused there.
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
    """Return the bytes available without swapping, within the container's limit (cgroup v2)."""
    available, limit = _meminfo_bytes(memory_info, "MemAvailable"), _limit_bytes(cgroup)
    if limit is None:
        return available
    used = int((cgroup / "memory.current").read_text())
    statistics = dict(line.split() for line in (cgroup / "memory.stat").read_text().splitlines())
    return min(available, limit - used + int(statistics["inactive_file"]))


def total_host_bytes(memory_info: Path = MEMORY_INFO, cgroup: Path = CGROUP) -> int:
    """Return the machine's memory, or the container's limit if that is lower."""
    total, limit = _meminfo_bytes(memory_info, "MemTotal"), _limit_bytes(cgroup)
    return total if limit is None else min(total, limit)


def _meminfo_bytes(memory_info: Path, name: str) -> int:
    lines = dict(line.split(":", 1) for line in memory_info.read_text().splitlines())
    return int(lines[name].split()[0]) * 1024


def _limit_bytes(cgroup: Path) -> int | None:
    limit = cgroup / "memory.max"
    words = limit.read_text().strip() if limit.exists() else ""
    return int(words) if words.isdigit() else None


CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
USUAL_CACHE_BYTES = 16 * 2**20  # used if the system does not report it
FREE_SHARE = 0.25  # of a GPU's free memory for the decoder's chunk; full-resolution masks need more than the decoder
UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}
CPU_ALLOCATOR_FAILURE = "DefaultCPUAllocator: can't allocate memory"
# Messages of CUDA libraries that run out of memory; torch raises plain RuntimeErrors for them.
GPU_ALLOCATION_FAILURES = (
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
    "unable to find an engine to execute this computation",
    "CUDA error: out of memory",
    "CUDA driver error: out of memory",
)

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class NotEnoughMemory:
    """The allocator's message after a failed allocation."""

    message: str


def attempt(work: Callable[[], Result]) -> Result | NotEnoughMemory:
    """Return the result of `work`, or `NotEnoughMemory`. Its tensors are then free: no traceback refers to them."""
    try:
        return work()
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return NotEnoughMemory(str(error))


def is_out_of_memory(error: Exception) -> bool:
    """Test whether an error is a lack of memory. Many are plain RuntimeErrors, recognised only by their message.

    A CUDA graph capture that runs out of memory ends with another error, which has the original one in its context.
    """
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    said = (CPU_ALLOCATOR_FAILURE, *GPU_ALLOCATION_FAILURES)
    if isinstance(error, RuntimeError) and any(words in str(error) for words in said):
        return True
    context = error.__cause__ or error.__context__
    return isinstance(error, RuntimeError) and isinstance(context, Exception) and is_out_of_memory(context)


def leaves_device_unusable(error: Exception) -> bool:
    """Return True for CUDA errors after which every call of the process fails, such as an illegal memory access."""
    return isinstance(error, torch.AcceleratorError) and not is_out_of_memory(error)


def largest_cache_bytes(caches: Path = CACHES) -> int:
    """Return the size of the first core's last-level cache, which Linux writes as "32768K"."""
    sizes = [path.read_text().strip() for path in caches.glob("index*/size")]
    return max((int(size[:-1]) * UNITS[size[-1]] for size in sizes if size[-1:] in UNITS), default=USUAL_CACHE_BYTES)


def few_sizes(count: int) -> int:
    """Return the largest power of two up to `count`, 0 for less than 1.

    CUDA's libraries choose kernels by size, and their results differ by rounding.
    """
    return 1 << count.bit_length() - 1 if count > 0 else 0


def memory_for_chunks(device: torch.device, in_graphs: int = 0) -> int:
    """Return the bytes that a chunk's tensors should not exceed for the best speed.

    `in_graphs` is unused memory of captured graphs, which no chunk may use.
    """
    if device.type == "cuda":
        return int((free_gpu_bytes(device) + unused_bytes(device, in_graphs)) * FREE_SHARE)
    return largest_cache_bytes()
