"""The real NVML, through `pynvml` (package nvidia-ml-py), which loads the driver's library when it is opened.

https://docs.nvidia.com/deploy/nvml-api/group__nvmlDeviceQueries.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pynvml

Answer = TypeVar("Answer")


class PynvmlLibrary:
    def open(self) -> bool:
        """False without a driver, which is no fault: most machines have none."""
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError:
            return False
        return True

    def find(self, uuid: str) -> Any:
        return _answer(pynvml.nvmlDeviceGetHandleByUUID, uuid)

    def is_whole(self, gpu: Any) -> bool:
        """GPUs that cannot be divided do not know the question."""
        part, mode = _answer(pynvml.nvmlDeviceIsMigDeviceHandle, gpu), _answer(pynvml.nvmlDeviceGetMigMode, gpu)
        return not part and not (mode and mode[0] == pynvml.NVML_DEVICE_MIG_ENABLE)

    def memory_bytes(self, gpu: Any) -> tuple[int, int] | None:
        memory = _answer(pynvml.nvmlDeviceGetMemoryInfo, gpu)
        return (memory.used, memory.total) if memory is not None else None

    def utilization(self, gpu: Any) -> float | None:
        rates = _answer(pynvml.nvmlDeviceGetUtilizationRates, gpu)
        return rates.gpu / 100 if rates is not None else None

    def power_watts(self, gpu: Any) -> float | None:
        return _thousandth(_answer(pynvml.nvmlDeviceGetPowerUsage, gpu))

    def joules(self, gpu: Any) -> float | None:
        return _thousandth(_answer(pynvml.nvmlDeviceGetTotalEnergyConsumption, gpu))

    def driver(self) -> str | None:
        """The driver's version; only while it is open."""
        return _answer(pynvml.nvmlSystemGetDriverVersion)

    def close(self) -> None:
        _answer(pynvml.nvmlShutdown)


def _answer(ask: Callable[..., Answer], *arguments: Any) -> Answer | None:
    """None for what this device or driver does not support, and for what it fails to say now."""
    try:
        return ask(*arguments)
    except pynvml.NVMLError:
        return None


def _thousandth(amount: int | None) -> float | None:
    """NVML counts in milliwatts and millijoules."""
    return amount / 1000 if amount is not None else None
