"""A GPU's memory as one process sees it: what it may take, what it keeps unused, and what only its graphs may use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from samfleet.errors import InvalidInput

UNUSED_BYTES = 2**30  # what a variant's process may keep for its next batch in any case
FREE_FOR_OTHERS = 0.25  # of a GPU's memory; with less free, caches are given back after each batch


class GpuMemoryShareInvalid(InvalidInput):
    """SAMFLEET_GPU_MEMORY_SHARE is no share; give a number above 0 and up to 1."""

    code = "gpu_memory_share_invalid"


def parse_share(text: str) -> float:
    """The share of a GPU's memory in (0, 1] that `text` says; all of it for an empty text."""
    try:
        share = float(text or 1)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise GpuMemoryShareInvalid(
            f"SAMFLEET_GPU_MEMORY_SHARE is {text!r}, which is no share; give a number above 0 and up to 1, such as 0.5"
        )
    return share


def limit_memory(device: torch.device, share: float) -> None:
    """Torch's allocator takes no more than so much of a GPU in this process. The CUDA context comes on top of it."""
    if device.type == "cuda":
        torch.cuda.set_per_process_memory_fraction(share, device)


def usable_bytes(device: torch.device) -> int:
    """What this process may take of the GPU's memory: all of it, unless a share was set."""
    total = torch.cuda.get_device_properties(device).total_memory
    return int(total * torch.cuda.get_per_process_memory_fraction(device))


def free_gpu_bytes(device: torch.device) -> int:
    """What this process may still ask the GPU for."""
    free, _ = torch.cuda.mem_get_info(device)
    return max(0, min(free, usable_bytes(device) - torch.cuda.memory_reserved(device)))


def unused_bytes(device: torch.device, in_graphs: int = 0) -> int:
    """What torch keeps to use again. `in_graphs` is unused memory of captured graphs, which serves them alone."""
    return max(0, torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device) - in_graphs)


def unused_in_pool(pool: Sequence[int]) -> int:
    """Bytes in a pool of captured graphs that no tensor holds: their replays use them, and nobody else may."""
    segments: list[dict[str, Any]] = torch.cuda.memory_snapshot(include_traces=False)  # type: ignore[no-untyped-call]  # untyped in torch
    own = [segment for segment in segments if tuple(segment["segment_pool_id"]) == tuple(pool)]
    return sum(int(segment["total_size"]) - int(segment["allocated_size"]) for segment in own)


def give_back_unused(device: torch.device, in_graphs: int = 0) -> None:
    """Gives a GPU's unused memory back where other processes may need it: every variant is one with a cache of its own.

    Where the GPU has room to spare the cache stays, which saves the next batch the allocations. `in_graphs` as in
    `unused_bytes`: it cannot be given back.
    """
    if device.type != "cuda":
        return
    free, total = torch.cuda.mem_get_info(device)
    if unused_bytes(device, in_graphs) > UNUSED_BYTES and free < FREE_FOR_OTHERS * total:
        torch.cuda.empty_cache()
