from __future__ import annotations

import time
from collections.abc import Callable

from samfleet_models.device.meters.meter import DeviceMeter


class BatchEnergy:
    """Distributes the energy that the device uses during a batch over the batch's images.

    A reply is sent before its batch has ended. An image therefore gets a part of the energy used so far and not yet
    distributed, in proportion to its time in all stages. The last image gets the rest. So the images' joules add up to
    the batch's, and idle moments between kernels are included; the part of a single image is approximate.

    The counter covers the whole device. If several models use it at the same time, each counts the energy of all, and
    the sum over the models is an upper bound. NVML has no counter per process.
    """

    def __init__(self, meter: DeviceMeter, images: int, clock: Callable[[], float] = time.perf_counter) -> None:
        self._meter = meter
        self._clock = clock
        self._waiting = images
        self._begun_at = clock()
        self._begun = meter.joules()
        self._given = 0.0
        self._given_ms = 0.0

    def share(self, ms: float) -> float | None:
        """Return the joules of the next image whose reply is sent; `ms` is its share of the batch's time."""
        self._waiting -= 1
        now = self._meter.joules() if self._begun is not None else None
        if now is None or self._begun is None:
            return None
        left = max(0.0, now - self._begun - self._given)
        if self._waiting > 0:
            left *= self._part(ms)
        self._given += left
        return left

    def _part(self, ms: float) -> float:
        elapsed_ms = (self._clock() - self._begun_at) * 1e3
        open_ms = elapsed_ms - self._given_ms
        self._given_ms += ms
        return min(1.0, ms / open_ms) if open_ms > 0 else 0.0
