"""The real NVML, through `pynvml` (package nvidia-ml-py), which loads the driver's library when it is opened.

https://docs.nvidia.com/deploy/nvml-api/group__nvmlDeviceQueries.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pynvml

Value = TypeVar("Value")


class PynvmlLibrary:
    def open(self) -> bool:
        """Return False without a driver. That is no fault: most machines have none."""
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError:
            return False
        return True

    def find(self, uuid: str) -> Any:
        return _value(pynvml.nvmlDeviceGetHandleByUUID, uuid)

    def is_whole(self, gpu: Any) -> bool:
        """Treat GPUs that do not support the query as whole; they cannot be divided."""
        part, mode = _value(pynvml.nvmlDeviceIsMigDeviceHandle, gpu), _value(pynvml.nvmlDeviceGetMigMode, gpu)
        return not part and not (mode and mode[0] == pynvml.NVML_DEVICE_MIG_ENABLE)

    def memory_bytes(self, gpu: Any) -> tuple[int, int] | None:
        memory = _value(pynvml.nvmlDeviceGetMemoryInfo, gpu)
        return (memory.used, memory.total) if memory is not None else None

    def utilization(self, gpu: Any) -> float | None:
        rates = _value(pynvml.nvmlDeviceGetUtilizationRates, gpu)
        return rates.gpu / 100 if rates is not None else None

    def power_watts(self, gpu: Any) -> float | None:
        return _thousandth(_value(pynvml.nvmlDeviceGetPowerUsage, gpu))

    def joules(self, gpu: Any) -> float | None:
        return _thousandth(_value(pynvml.nvmlDeviceGetTotalEnergyConsumption, gpu))

    def driver(self) -> str | None:
        """Return the driver's version. NVML must be open."""
        return _value(pynvml.nvmlSystemGetDriverVersion)

    def close(self) -> None:
        _value(pynvml.nvmlShutdown)


def _value(query: Callable[..., Value], *arguments: Any) -> Value | None:
    """Return None for values that the device or driver does not support or fails to read."""
    try:
        return query(*arguments)
    except pynvml.NVMLError:
        return None


def _thousandth(amount: int | None) -> float | None:
    """Convert NVML's milliwatts and millijoules."""
    return amount / 1000 if amount is not None else None
