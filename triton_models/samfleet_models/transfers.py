"""Copies between host and device that do not make the host wait longer than it must.

torch copies from and to ordinary memory by waiting for the stream. From pinned memory a copy is only queued, and torch
keeps that memory until the copy is done.
"""

from __future__ import annotations

import torch
from torch import Tensor


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """`tensor` on `device`; nothing waits for the copy."""
    if device.type != "cuda" or tensor.device == device or not tensor.numel():
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def to_host(tensor: Tensor) -> Tensor:
    """`tensor` on the host, after one wait for all that was queued before. Pinned memory takes large ones faster."""
    if tensor.device.type != "cuda":
        return tensor.cpu()
    target = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    target.copy_(tensor, non_blocking=True)
    done = torch.cuda.Event()  # type: ignore[no-untyped-call] # as torch has it
    done.record(torch.cuda.current_stream(tensor.device))
    done.synchronize()
    return target
