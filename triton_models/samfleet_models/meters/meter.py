"""What a device tells of itself: `open_meter` chooses who asks it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from samfleet.masks.device_state import DeviceState


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
