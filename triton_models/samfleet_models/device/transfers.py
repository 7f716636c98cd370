"""Copies between host and device that do not block the host unnecessarily.

torch copies from and to pageable memory by waiting for the stream. From pinned memory a copy is only queued, and torch
keeps that memory until the copy is done.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Crossing:
    """A tensor being copied to the host; `done` is None if it is already there."""

    target: Tensor
    done: torch.cuda.Event | None = None

    def landed(self) -> Tensor:
        """Wait for the copy and return the tensor on the host. Any thread may call it."""
        if self.done is not None:
            self.done.synchronize()
        return self.target


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Return `tensor` on `device`; nothing waits for the copy."""
    if device.type != "cuda" or tensor.device == device or not tensor.numel():
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def begin_to_host(tensor: Tensor) -> Crossing:
    """Queue the copy of `tensor` to the host, into pinned memory; nothing waits for it."""
    if tensor.device.type != "cuda":
        return Crossing(tensor.cpu())
    target = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    target.copy_(tensor, non_blocking=True)
    done = torch.cuda.Event()  # type: ignore[no-untyped-call] # as torch has it
    done.record(torch.cuda.current_stream(tensor.device))
    return Crossing(target, done)
