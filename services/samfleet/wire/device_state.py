"""What a device says of itself while it computes."""

from __future__ import annotations

from dataclasses import dataclass

CPU = "cpu"


@dataclass(frozen=True, slots=True)
class DeviceState:
    """Of the whole device, whoever uses it. None is what nobody can say: a CPU has no counters of the last two.

    `id` tells the devices of a server apart: NVIDIA's UUID of a GPU, or `cpu`. `utilization` is the share, 0 to 1, of
    the last moments in which the device computed anything.
    """

    id: str = CPU
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    utilization: float | None = None
    power_watts: float | None = None
