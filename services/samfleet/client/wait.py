"""Polling of a job until it ends. It survives a restart of the API."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from samfleet.client.client import SamfleetClient
from samfleet.client.schemas import Job
from samfleet.client.transport import ApiError, ApiUnreachable
from samfleet.errors import SamfleetError

FIRST_INTERVAL_SECONDS = 0.2
LONGEST_INTERVAL_SECONDS = 2.0
PATIENCE_SECONDS = 120.0  # the supervisor restarts a crashed API within half a minute


class JobFailed(SamfleetError):
    """The job failed."""

    code = "job_failed"


@dataclass(frozen=True, slots=True)
class Clock:
    """Source of time; tests replace it."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class Patience:
    """Blocks under it may fail because the API is temporarily unavailable, for up to two minutes in a row."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._answered_at = clock.now()

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None:
            self._answered_at = self._clock.now()
        temporary = isinstance(error, ApiUnreachable) or (isinstance(error, ApiError) and error.is_temporary)
        return temporary and self._clock.now() - self._answered_at <= PATIENCE_SECONDS


def follow_job(
    client: SamfleetClient, job_id: str, on_change: Callable[[Job], None], clock: Clock | None = None
) -> Job:
    """Return the job when it has ended. If the API is temporarily unavailable, retry for up to two minutes."""
    clock = clock or Clock()
    interval, patience = FIRST_INTERVAL_SECONDS, Patience(clock)
    while True:
        with patience:
            job = client.job(job_id)
            on_change(job)
            if job.is_over:
                return job
        clock.sleep(interval)
        interval = min(interval * 1.5, LONGEST_INTERVAL_SECONDS)
