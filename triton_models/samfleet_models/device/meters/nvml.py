"""GPU readings from NVIDIA's management library.

CUDA and NVML number GPUs differently, and CUDA_VISIBLE_DEVICES and containers renumber only CUDA's. So a GPU is found
by its UUID, never by an index. A part of a divided GPU (MIG) has no meters: NVML's figures cover the whole GPU, which
others use too, and are not used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from samfleet.wire.device_state import DeviceState
from samfleet_models.device.meters.cuda import CudaMeter

KINDS = ("GPU-", "MIG-")  # NVML writes the kind of a device before its UUID, CUDA omits it


class Nvml(Protocol):
    """The part of the library that is used. Values that it refuses or does not know are None, never an error.

    `gpu` is a result of `find`.
    """

    def open(self) -> bool:
        """Return whether library and driver are available."""
        ...

    def find(self, uuid: str) -> Any: ...

    def is_whole(self, gpu: Any) -> bool:
        """Return True for a GPU that is neither a part of one nor divided into parts."""
        ...

    def memory_bytes(self, gpu: Any) -> tuple[int, int] | None:
        """Return used and total bytes."""
        ...

    def utilization(self, gpu: Any) -> float | None:
        """Return the share of the last sample period in which a kernel ran, 0 to 1."""
        ...

    def power_watts(self, gpu: Any) -> float | None: ...

    def joules(self, gpu: Any) -> float | None:
        """Return the energy since the driver was loaded; available since Volta."""
        ...

    def close(self) -> None: ...


class NvmlMeter:
    """The meter of a whole GPU. Closing it closes the library."""

    def __init__(self, nvml: Nvml, gpu: Any, uuid: str) -> None:
        self._nvml = nvml
        self._gpu = gpu
        self._uuid = uuid

    def state(self) -> DeviceState:
        used, total = self._nvml.memory_bytes(self._gpu) or (None, None)
        return DeviceState(
            self._uuid,
            memory_used_bytes=used,
            memory_total_bytes=total,
            utilization=self._nvml.utilization(self._gpu),
            power_watts=self._nvml.power_watts(self._gpu),
        )

    def joules(self) -> float | None:
        return self._nvml.joules(self._gpu)

    def close(self) -> None:
        self._nvml.close()


def meter_of_gpu(cuda: CudaMeter, nvml: Nvml) -> NvmlMeter | CudaMeter:
    """Return NVML's meter if it finds the GPU of CUDA's UUID as a whole one, else CUDA's own."""
    if not nvml.open():
        return cuda
    for kind in KINDS:
        gpu = nvml.find(kind + cuda.uuid)
        if gpu is not None and nvml.is_whole(gpu):
            return NvmlMeter(nvml, gpu, kind + cuda.uuid)
        if gpu is not None:
            cuda = replace(cuda, kind=kind)
            break
    nvml.close()
    return cuda


@dataclass(frozen=True, slots=True)
class MemoryGpu:
    """A fake GPU for tests; None marks unsupported values. `divided` means that it is in MIG mode."""

    uuid: str
    memory_bytes: tuple[int, int] | None = None
    utilization: float | None = None
    power_watts: float | None = None
    joules: float | None = None
    divided: bool = False


@dataclass(slots=True)
class MemoryNvml:
    """NVML without a driver; `gpus` are in NVML's own order. `opened` counts the open handles."""

    gpus: Sequence[MemoryGpu] = ()
    installed: bool = True
    opened: int = field(default=0)

    def open(self) -> bool:
        self.opened += self.installed
        return self.installed

    def find(self, uuid: str) -> MemoryGpu | None:
        return next((gpu for gpu in self.gpus if gpu.uuid == uuid), None)

    def is_whole(self, gpu: MemoryGpu) -> bool:
        return not gpu.divided and gpu.uuid.startswith(KINDS[0])

    def memory_bytes(self, gpu: MemoryGpu) -> tuple[int, int] | None:
        return gpu.memory_bytes

    def utilization(self, gpu: MemoryGpu) -> float | None:
        return gpu.utilization

    def power_watts(self, gpu: MemoryGpu) -> float | None:
        return gpu.power_watts

    def joules(self, gpu: MemoryGpu) -> float | None:
        return gpu.joules

    def close(self) -> None:
        self.opened -= 1
