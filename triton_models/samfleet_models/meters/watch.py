from __future__ import annotations

import time
from collections.abc import Callable

from samfleet.masks.device_state import DeviceState
from samfleet_models.meters.meter import DeviceMeter

FRESH_SECONDS = 1.0  # asking a GPU for all of it takes a millisecond, and replies may come by the hundred a second


class DeviceWatch:
    """Asks a device at most once a second, however many replies tell of it."""

    def __init__(self, meter: DeviceMeter, clock: Callable[[], float] = time.monotonic) -> None:
        self.meter = meter
        self._clock = clock
        self._asked_at = float("-inf")
        self._state = DeviceState()

    def state(self) -> DeviceState:
        now = self._clock()
        if now - self._asked_at >= FRESH_SECONDS:
            self._state, self._asked_at = self.meter.state(), now
        return self._state
