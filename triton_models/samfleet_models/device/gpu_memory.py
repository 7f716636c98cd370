"""A GPU's memory in one process: the usable part, the unused part, and the part that only CUDA graphs may use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from samfleet.errors import InvalidInput

UNUSED_BYTES = 2**30  # a variant's process may always keep this much for its next batch
FREE_FOR_OTHERS = 0.25  # share of a GPU's memory; with less free, caches are released after each batch


class GpuMemoryShareInvalid(InvalidInput):
    """SAMFLEET_GPU_MEMORY_SHARE is not a share; give a number above 0 and up to 1."""

    code = "gpu_memory_share_invalid"


def parse_share(text: str) -> float:
    """Parse a share of a GPU's memory in (0, 1]; an empty text means all of it."""
    try:
        share = float(text or 1)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise GpuMemoryShareInvalid(
            f"SAMFLEET_GPU_MEMORY_SHARE is {text!r}, not a share; give a number above 0 and up to 1, such as 0.5"
        )
    return share


def limit_memory(device: torch.device, share: float) -> None:
    """Limit torch's allocator in this process to `share` of a GPU. The CUDA context comes on top of it."""
    if device.type == "cuda":
        torch.cuda.set_per_process_memory_fraction(share, device)


def usable_bytes(device: torch.device) -> int:
    """Return the GPU memory that this process may use: all of it, unless a share was set."""
    total = torch.cuda.get_device_properties(device).total_memory
    return int(total * torch.cuda.get_per_process_memory_fraction(device))


def free_gpu_bytes(device: torch.device) -> int:
    """Return the bytes that this process may still allocate on the GPU."""
    free, _ = torch.cuda.mem_get_info(device)
    return max(0, min(free, usable_bytes(device) - torch.cuda.memory_reserved(device)))


def unused_bytes(device: torch.device, in_graphs: int = 0) -> int:
    """Return the bytes that torch caches for reuse.

    `in_graphs` is unused memory of captured graphs, which only they can use.
    """
    return max(0, torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device) - in_graphs)


def unused_in_pool(pool: Sequence[int]) -> int:
    """Return the bytes in a pool of captured graphs that belong to no tensor.

    Only replays of the graphs may use them.
    """
    segments: list[dict[str, Any]] = torch.cuda.memory_snapshot(include_traces=False)  # type: ignore[no-untyped-call]  # untyped in torch
    in_pool = [segment for segment in segments if tuple(segment["segment_pool_id"]) == tuple(pool)]
    return sum(int(segment["total_size"]) - int(segment["allocated_size"]) for segment in in_pool)


def give_back_unused(device: torch.device, in_graphs: int = 0) -> None:
    """Release a GPU's unused memory when other processes may need it; every variant is a process with its own cache.

    If the GPU has enough free memory the cache stays, which saves the next batch the allocations. `in_graphs` as in
    `unused_bytes`: it cannot be released.
    """
    if device.type != "cuda":
        return
    free, total = torch.cuda.mem_get_info(device)
    if unused_bytes(device, in_graphs) > UNUSED_BYTES and free < FREE_FOR_OTHERS * total:
        torch.cuda.empty_cache()
