"""GPUs as NVIDIA's management library shows them.

CUDA and NVML number GPUs differently, and CUDA_VISIBLE_DEVICES and containers renumber those of CUDA alone. So a GPU is
found by its UUID, never by an index. A part of a divided GPU (MIG) has no meters of its own: NVML's figures are of the
whole GPU, which others use too, and are left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from samfleet.wire.device_state import DeviceState
from samfleet_models.device.meters.cuda import CudaMeter

KINDS = ("GPU-", "MIG-")  # NVML writes the kind of a device before its UUID, CUDA leaves it out


class Nvml(Protocol):
    """As much of the library as is asked. What it refuses or does not know is None, never an error.

    `gpu` is whatever `find` gave out.
    """

    def open(self) -> bool:
        """Whether library and driver are there."""
        ...

    def find(self, uuid: str) -> Any: ...

    def is_whole(self, gpu: Any) -> bool:
        """Neither a part of a GPU nor one that is divided into parts."""
        ...

    def memory_bytes(self, gpu: Any) -> tuple[int, int] | None:
        """Used and total."""
        ...

    def utilization(self, gpu: Any) -> float | None:
        """Share of the last sample period in which a kernel ran, 0 to 1."""
        ...

    def power_watts(self, gpu: Any) -> float | None: ...

    def joules(self, gpu: Any) -> float | None:
        """Since the driver was loaded; counted by Volta and newer ones."""
        ...

    def close(self) -> None: ...


class NvmlMeter:
    """Of a whole GPU; closes the library with itself."""

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
    """NVML's where it knows the GPU of CUDA's UUID as a whole one, else CUDA's own."""
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
    """A GPU that a test makes up; None is what it does not support. `divided` says that it is in MIG mode."""

    uuid: str
    memory_bytes: tuple[int, int] | None = None
    utilization: float | None = None
    power_watts: float | None = None
    joules: float | None = None
    divided: bool = False


@dataclass(slots=True)
class MemoryNvml:
    """NVML without a driver; `gpus` are in NVML's own order. `opened` counts who has not closed it."""

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
