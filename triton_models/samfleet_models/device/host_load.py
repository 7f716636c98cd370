"""Load of the machine by other processes, which makes times longer than the model's own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

STAT = Path("/proc/stat")
LEAST_SECONDS = 0.5  # the kernel counts in steps of 10 ms
STALE_SECONDS = 5.0  # a reading before a longer pause says nothing about the batch after it
_IDLE = (3, 4)  # columns of the line `cpu`: idle and iowait
_COLUMNS = 8  # user to steal; guest time is a part of user time


@dataclass(frozen=True, slots=True)
class _Reading:
    at: float
    busy: float
    total: float
    own: float


class HostLoad:
    """Share of the machine's CPU time that other processes use, measured over half a second or more.

    Virtual machines that take time from this one count as others. Within a container it is still the whole machine.
    """

    def __init__(
        self,
        stat: Path = STAT,
        clock: Callable[[], float] = time.monotonic,
        own_seconds: Callable[[], float] = time.process_time,
    ) -> None:
        self._stat = stat
        self._clock = clock
        self._own_seconds = own_seconds
        self._ticks = os.sysconf("SC_CLK_TCK")
        self._last = self._read()
        self._share: float | None = None

    def begin(self) -> None:
        """Start a measurement before a batch, unless one began shortly before."""
        if self._last is None or self._clock() - self._last.at > STALE_SECONDS:
            self._last, self._share = self._read(), None

    def share(self) -> float | None:
        """Return the share, 0 to 1; None until half a second was measured, or without /proc/stat."""
        if self._last is None or self._clock() - self._last.at < LEAST_SECONDS:
            return self._share
        now = self._read()
        if now is not None and now.total > self._last.total:
            others = (now.busy - self._last.busy) - (now.own - self._last.own)
            self._share = min(1.0, max(0.0, others / (now.total - self._last.total)))
        self._last = now
        return self._share

    def _read(self) -> _Reading | None:
        try:
            fields = self._stat.read_text(encoding="ascii").split("\n", 1)[0].split()
            columns = [int(value) / self._ticks for value in fields[1 : 1 + _COLUMNS]]
            busy = sum(columns) - sum(columns[place] for place in _IDLE)
        except (OSError, ValueError, IndexError):  # another kernel, or a container that hides this file
            return None
        return _Reading(self._clock(), busy, sum(columns), self._own_seconds())
