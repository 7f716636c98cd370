"""The readings that a device reports: memory, utilization, power. `open_meter` chooses their source."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from samfleet.wire.device_state import DeviceState


class DeviceMeter(Protocol):
    """A meter of one device. A failed reading is not an error: its value is None."""

    def state(self) -> DeviceState: ...

    def joules(self) -> float | None:
        """Return the energy of the whole device since a fixed moment; only differences are meaningful."""
        ...

    def close(self) -> None: ...


@dataclass(slots=True)
class MemoryMeter:
    """A meter without a device: returns `shown`, and the energy that a test adds to `used_joules`."""

    shown: DeviceState = field(default_factory=DeviceState)
    used_joules: float | None = None
    asked: int = 0

    def state(self) -> DeviceState:
        self.asked += 1
        return self.shown

    def joules(self) -> float | None:
        return self.used_joules

    def close(self) -> None:
        self.used_joules = None


FRESH_SECONDS = 1.0  # a full reading of a GPU takes a millisecond, and there may be hundreds of replies per second


class DeviceWatch:
    """Reads a device at most once a second, however many replies include the reading."""

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
