"""What a device reports about itself: memory, utilization, power. `open_meter` chooses who is asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from samfleet.wire.device_state import DeviceState


class DeviceMeter(Protocol):
    """Of one device. Nothing that fails to answer is an error: it is unknown (None)."""

    def state(self) -> DeviceState: ...

    def joules(self) -> float | None:
        """What the whole device has used since some moment; only differences mean something."""
        ...

    def close(self) -> None: ...


@dataclass(slots=True)
class MemoryMeter:
    """A meter without a device: shows `shown`, and uses what a test adds to `used_joules`."""

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
