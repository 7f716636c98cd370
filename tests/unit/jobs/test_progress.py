from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from samfleet.jobs.progress import Progress, combine

START = datetime(2026, 1, 1, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def progress(**changes: Any) -> Progress:
    values: dict[str, Any] = {
        "total": 100,
        "succeeded": 30,
        "failed": 10,
        "in_progress": 10,
        "ended": False,
        "started": START,
        "last_record": after(20),
        "now": after(25),
    }
    return Progress(**{**values, **changes})


def test_the_clock_runs_while_the_job_runs() -> None:
    assert progress().images_per_second == 2.0
    assert progress().eta_seconds == 25.0
    assert progress().fraction == 0.5
    assert progress(now=after(50)).images_per_second == 1.0


def test_the_first_shard_counts_before_it_is_recorded() -> None:
    first = progress(succeeded=0, failed=0, last_record=None, now=after(5))
    assert (first.images_per_second, first.eta_seconds) == (2.0, 45.0)


def test_the_last_record_stops_the_clock() -> None:
    done = progress(succeeded=90, in_progress=0, last_record=after(50))
    assert (done.images_per_second, done.eta_seconds) == (2.0, 0.0)
    assert progress(succeeded=90, in_progress=0, last_record=after(50), ended=True).eta_seconds is None


def test_a_cancelled_run_is_measured_to_its_last_record() -> None:
    cancelled = progress(ended=True, now=after(1000))
    assert (cancelled.images_per_second, cancelled.eta_seconds) == (2.0, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"started": None, "last_record": None},
        {"succeeded": 0, "failed": 0, "in_progress": 0},
        {"now": START},
        {"ended": True, "last_record": None},
    ],
)
def test_the_rate_is_unknown_until_the_first_image_is_done(changes: dict[str, Any]) -> None:
    assert progress(**changes).images_per_second is None
    assert progress(**changes).eta_seconds is None


def test_a_job_runs_from_the_first_claim_to_the_last_record_of_its_runs() -> None:
    first = progress(ended=True, succeeded=90, in_progress=0, last_record=after(40))
    second = progress(ended=True, succeeded=90, in_progress=0, started=after(10), last_record=after(50))
    job = combine([first, second])
    assert (job.total, job.recorded, job.ended) == (200, 200, True)
    assert job.images_per_second == 4.0
    waiting = progress(started=None, last_record=None, succeeded=0, failed=0, in_progress=0)
    assert combine([first, waiting]).started == START
    assert not combine([first, waiting]).ended
    assert combine([waiting]).images_per_second is None
