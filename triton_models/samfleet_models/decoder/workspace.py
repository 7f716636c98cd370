"""Reused memory, so that chunks do not pay for fresh pages."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor


class Workspace:
    """Named buffers of one device. A buffer grows when needed and is never shrunk.

    The result of `take` is valid until the same name is taken again; do not keep it longer.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._buffers: dict[str, Tensor] = {}

    def take(self, name: str, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return an uninitialised contiguous tensor."""
        size = prod(shape)
        buffer = self._buffers.get(name)
        if buffer is None or buffer.numel() < size or buffer.dtype != dtype:
            self._buffers.pop(name, None)
            del buffer  # the old buffer must be freed before the new one is allocated
            buffer = self._buffers[name] = torch.empty(size, dtype=dtype, device=self._device)
        return buffer[:size].view(shape)

    def release(self) -> None:
        """Release all memory; tensors taken before become invalid."""
        self._buffers.clear()

    @property
    def size_bytes(self) -> int:
        return sum(buffer.nbytes for buffer in self._buffers.values())
