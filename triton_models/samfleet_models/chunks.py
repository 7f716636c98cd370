"""What fits into memory: how large a chunk of prompts may be, and how a lack of memory shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch

from samfleet_models.gpu_memory import free_gpu_bytes, unused_bytes

CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
USUAL_CACHE_BYTES = 16 * 2**20  # where the system does not tell
FREE_SHARE = 0.25  # of a GPU's free memory for the decoder's chunk; masks at full resolution need more than it does
UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}
CPU_ALLOCATOR_FAILURE = "DefaultCPUAllocator: can't allocate memory"
# What libraries of CUDA say when they find no memory of their own; torch raises plain RuntimeErrors for them.
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
    """What the allocator said."""

    message: str


def attempt(work: Callable[[], Result]) -> Result | NotEnoughMemory:
    """What `work` gives, or that memory ran out. Its tensors are free by then: no traceback holds them any more."""
    try:
        return work()
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return NotEnoughMemory(str(error))


def is_out_of_memory(error: Exception) -> bool:
    """Many lacks of memory are plain RuntimeErrors, which only their message tells from a fault of the program.

    A capture of CUDA graphs that runs out of memory ends with an error of its own, in whose context the lack stands.
    """
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    said = (CPU_ALLOCATOR_FAILURE, *GPU_ALLOCATION_FAILURES)
    if isinstance(error, RuntimeError) and any(words in str(error) for words in said):
        return True
    context = error.__cause__ or error.__context__
    return isinstance(error, RuntimeError) and isinstance(context, Exception) and is_out_of_memory(context)


def leaves_device_unusable(error: Exception) -> bool:
    """True for CUDA errors after which every call of the process fails, such as an illegal access to memory."""
    return isinstance(error, torch.AcceleratorError) and not is_out_of_memory(error)


def largest_cache_bytes(caches: Path = CACHES) -> int:
    """The last-level cache of the first core as Linux describes it, "32768K"."""
    sizes = [path.read_text().strip() for path in caches.glob("index*/size")]
    return max((int(size[:-1]) * UNITS[size[-1]] for size in sizes if size[-1:] in UNITS), default=USUAL_CACHE_BYTES)


def few_sizes(count: int) -> int:
    """The largest power of two up to `count`, 0 for less than 1: CUDA's libraries choose other kernels by size, and
    results differ by the rounding of these.
    """
    return 1 << count.bit_length() - 1 if count > 0 else 0


def memory_for_chunks(device: torch.device, in_graphs: int = 0) -> int:
    """Bytes that a chunk's tensors should stay within for the best speed.

    `in_graphs` is unused memory of captured graphs, which no chunk may use.
    """
    if device.type == "cuda":
        return int((free_gpu_bytes(device) + unused_bytes(device, in_graphs)) * FREE_SHARE)
    return largest_cache_bytes()
