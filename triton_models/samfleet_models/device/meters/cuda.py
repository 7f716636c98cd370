from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Self

import torch

from samfleet.wire.device_state import DeviceState


@dataclass(frozen=True, slots=True)
class CudaMeter:
    """CUDA's own readings of a GPU, or of a part of one: its memory. `memory_bytes` returns free and total."""

    uuid: str
    memory_bytes: Callable[[], tuple[int, int]]
    kind: str = "GPU-"

    @classmethod
    def of(cls, device: torch.device) -> Self:
        uuid = str(torch.cuda.get_device_properties(device).uuid)
        return cls(uuid, partial(torch.cuda.mem_get_info, device))

    def state(self) -> DeviceState:
        try:
            free, total = self.memory_bytes()
        except RuntimeError:  # the computation reports the device's fault
            return DeviceState(self.kind + self.uuid)
        return DeviceState(self.kind + self.uuid, memory_used_bytes=total - free, memory_total_bytes=total)

    def joules(self) -> None:
        return None

    def close(self) -> None:
        """Do nothing; nothing was opened."""
