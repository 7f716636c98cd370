from __future__ import annotations

import torch

from samfleet.masks.device_state import DeviceState


class CudaMeter:
    """What CUDA itself says of a GPU: its memory. For where NVML is missing, and for a part of a GPU (MIG)."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._id = device_uuid(device)

    def state(self) -> DeviceState:
        free, total = torch.cuda.mem_get_info(self._device)
        return DeviceState(self._id, memory_used_bytes=total - free, memory_total_bytes=total)

    def joules(self) -> None:
        return None

    def close(self) -> None:
        """Nothing was opened."""


def device_uuid(device: torch.device) -> str:
    """As NVML writes it: torch leaves the kind of the device, `GPU-`, out."""
    return f"GPU-{torch.cuda.get_device_properties(device).uuid}"
