from __future__ import annotations

import time
from collections.abc import Callable

from samfleet_models.device.meters.meter import DeviceMeter


class BatchEnergy:
    """Shares out among a batch's images what the device uses while the batch is in it.

    A reply leaves before its batch has ended, so an image is given its part of what was used so far and not yet given
    away: in proportion to its time in all stages. The last one gets the rest. So the images' joules add up to the
    batch's, whatever each one's part is worth, and idle moments between kernels are paid for.

    The counter is the whole device's. With several models at work on it, each counts what all of them use, and the sum
    over the models is an upper bound. NVML has no counter of one process.
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
        """Joules of the next image whose reply leaves; `ms` is its share of the batch's time."""
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
