"""Polling of jobs, exports and comparisons until they end. It survives a restart of the API."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from samfleet.client.calls import Calls
from samfleet.client.routes import comparisons, exports, jobs
from samfleet.client.schemas import Job
from samfleet.client.steps import Call, Pause, Steps, ask
from samfleet.client.transport import ApiError, ApiUnreachable
from samfleet.errors import SamfleetError

FIRST_INTERVAL_SECONDS = 0.2
LONGEST_INTERVAL_SECONDS = 2.0
LOG_INTERVAL_SECONDS = 1.0
LONGEST_EXPORT_INTERVAL_SECONDS = 5.0
PATIENCE_SECONDS = 120.0  # the supervisor restarts a crashed API within half a minute


class JobFailed(SamfleetError):
    """The job failed."""

    code = "job_failed"


class ExportNotBuilt(SamfleetError):
    """The export failed."""

    code = "export_not_built"


class ComparisonNotCompleted(SamfleetError):
    """The comparison failed."""

    code = "comparison_not_completed"


@dataclass(frozen=True, slots=True)
class Clock:
    """Source of time; tests replace it."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class Patience:
    """Blocks under it may fail because the API is temporarily unavailable, for up to two minutes in a row."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._answered_at = now()

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None:
            self._answered_at = self._now()
        temporary = isinstance(error, ApiUnreachable) or (isinstance(error, ApiError) and error.is_temporary)
        return temporary and self._now() - self._answered_at <= PATIENCE_SECONDS


def ended_job(job_id: str, on_change: Callable[[Job], None], now: Callable[[], float] = time.monotonic) -> Steps[Job]:
    """Return the job when it has ended. If the API is temporarily unavailable, retry for up to two minutes."""
    interval, patience = FIRST_INTERVAL_SECONDS, Patience(now)
    while True:
        with patience:
            job = yield from ask(jobs.job(job_id))
            on_change(job)
            if job.is_over:
                return job
        yield Pause(interval)
        interval = min(interval * 1.5, LONGEST_INTERVAL_SECONDS)


def follow_job(client: Calls, job_id: str, on_change: Callable[[Job], None], clock: Clock | None = None) -> Job:
    """Carry out `ended_job`."""
    clock = clock or Clock()
    return client.carry_out(ended_job(job_id, on_change, clock.now), sleep=clock.sleep)


def built_export(export: dict[str, Any]) -> Steps[dict[str, Any]]:
    """Return the export when it is completed. Raises `ExportNotBuilt` with the server's reason."""
    return _completed(export, "export", exports.export, ExportNotBuilt)


def completed_comparison(comparison: dict[str, Any]) -> Steps[dict[str, Any]]:
    """Return the comparison when it is completed. Raises `ComparisonNotCompleted` with the server's reason."""
    return _completed(comparison, "comparison", comparisons.comparison, ComparisonNotCompleted)


def _completed(
    item: dict[str, Any], noun: str, read: Callable[[str], Call[dict[str, Any]]], failed: type[SamfleetError]
) -> Steps[dict[str, Any]]:
    wait = FIRST_INTERVAL_SECONDS
    while item["state"] not in {"completed", "failed"}:
        yield Pause(wait)
        wait = min(2 * wait, LONGEST_EXPORT_INTERVAL_SECONDS)
        item = yield from ask(read(item["id"]))
    if item["state"] == "failed":
        reason = item["error"] or {"message": "the server gives no reason", "code": failed.code}
        raise failed(f"{noun} {item['id']} failed: {reason['message']} ({reason['code']})")
    return item


def wait_for_export(
    client: Calls, export: dict[str, Any], *, sleep: Callable[[float], None] = time.sleep
) -> dict[str, Any]:
    """Carry out `built_export`."""
    return client.carry_out(built_export(export), sleep=sleep)


def wait_for_comparison(
    client: Calls, comparison: dict[str, Any], *, sleep: Callable[[float], None] = time.sleep
) -> dict[str, Any]:
    """Carry out `completed_comparison`."""
    return client.carry_out(completed_comparison(comparison), sleep=sleep)
