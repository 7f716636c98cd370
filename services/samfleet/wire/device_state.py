"""State that a device reports while it computes."""

from __future__ import annotations

from dataclasses import dataclass

CPU = "cpu"


@dataclass(frozen=True, slots=True)
class DeviceState:
    """State of a whole device, including the load of other users.

    None is unknown: a CPU has no counters for the last two. `id` distinguishes the devices of a server: NVIDIA's UUID
    of a GPU, or `cpu`. `utilization` is the share, 0 to 1, of the last moments in which the device computed anything.
    """

    id: str = CPU
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    utilization: float | None = None
    power_watts: float | None = None
