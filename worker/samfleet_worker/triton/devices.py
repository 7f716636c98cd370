"""State and load of a server's devices as its replies report them, for this worker's heartbeat.

A device is busy while it encodes, decodes and draws masks; every reply has the image's share of these stages. This
works the same on CPUs, needs no query, and counts only requests of this worker; a reader of the heartbeats adds up
those of a pool. Work without a reply yet is not counted.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from samfleet.jobs.hardware import fingerprint
from samfleet.wire.device_state import DeviceState
from samfleet.wire.messages import ImageReport
from samfleet.wire.stages import DEVICE_STAGES

WINDOW_SECONDS = 60


@dataclass(frozen=True, slots=True)
class DeviceUse:
    """Use of a device as stored in the heartbeat, in JSON's types.

    `busy_share` covers the last `WINDOW_SECONDS`; it is above 1 if several images are processed side by side.
    """

    id: str
    kind: str
    name: str
    fingerprint_sha256: str
    busy_share: float
    memory_used_bytes: int | None
    memory_total_bytes: int | None
    utilization: float | None
    power_watts: float | None
    seen_at: str


@dataclass(slots=True)
class _Heard:
    report: ImageReport
    state: DeviceState
    at: datetime
    busy_ms: defaultdict[int, float] = field(default_factory=lambda: defaultdict(float))  # by second of the clock


class DeviceBook:
    """Devices of one server. Safe to share between threads; the cost of a reply does not depend on their number."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._clock = clock
        self._now = now
        self._heard: dict[str, _Heard] = {}
        self._lock = threading.Lock()

    def hear(self, report: ImageReport) -> None:
        """Record a reply as soon as it arrives: its work is taken to have ended just now."""
        if not report.hardware:
            return
        state = report.device or DeviceState()
        ended = self._clock()
        with self._lock:
            heard = self._heard.setdefault(state.id, _Heard(report, state, self._now()))
            heard.report, heard.state, heard.at = report, state, self._now()
            for second, ms in _spread(report, ended):
                heard.busy_ms[second] += ms
            for second in [second for second in heard.busy_ms if second < ended - WINDOW_SECONDS - 1]:
                del heard.busy_ms[second]

    def devices(self) -> tuple[DeviceUse, ...]:
        until = int(self._clock())
        with self._lock:
            return tuple(_use(heard, until) for heard in self._heard.values())


def _spread(report: ImageReport, ended: float) -> list[tuple[int, float]]:
    """Spread an image's share of the device's time evenly over the seconds of the window in which its batch ran."""
    busy_ms = sum(stage.amortised_ms for name, stage in report.stages.items() if name in DEVICE_STAGES)
    if not busy_ms:
        return []
    seconds = max(report.execute_ms, busy_ms) / 1e3
    started = ended - seconds
    counted_from = max(started, ended - WINDOW_SECONDS - 1)
    parts = []
    for second in range(int(counted_from // 1), int(ended // 1) + 1):
        inside = min(ended, second + 1) - max(counted_from, second)
        if inside > 0:
            parts.append((second, busy_ms * inside / seconds))
    return parts


def _use(heard: _Heard, until: int) -> DeviceUse:
    """Summarise a device over whole seconds; the current second is not complete and is left out."""
    busy_ms = sum(heard.busy_ms.get(second, 0.0) for second in range(until - WINDOW_SECONDS, until))
    hardware, state = heard.report.hardware, heard.state
    return DeviceUse(
        id=state.id,
        kind=str(hardware.get("device_kind", "unknown")),
        name=str(hardware.get("device_name", "unknown")),
        fingerprint_sha256=fingerprint(hardware),
        busy_share=busy_ms / (WINDOW_SECONDS * 1e3),
        memory_used_bytes=state.memory_used_bytes,
        memory_total_bytes=state.memory_total_bytes,
        utilization=state.utilization,
        power_watts=state.power_watts,
        seen_at=heard.at.isoformat(),
    )
