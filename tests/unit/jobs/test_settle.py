from __future__ import annotations

import pytest

from samfleet.db.models import JobState, Run, RunState
from samfleet.jobs.settle import FAILURE_RATE_EXCEEDED, end_of

Given = tuple[RunState, int, int, str | None]  # state, succeeded and failed images, error code

WHOLE: Given = (RunState.COMPLETED, 4, 0, None)
PARTIAL: Given = (RunState.COMPLETED, 3, 1, None)
NOTHING: Given = (RunState.COMPLETED, 0, 4, None)
BROKEN: Given = (RunState.FAILED, 2, 0, "variant_load_failed")
TOO_MANY: Given = (RunState.FAILED, 2, 2, FAILURE_RATE_EXCEEDED)
CANCELLED: Given = (RunState.CANCELLED, 2, 0, None)


def run(given: Given) -> Run:
    state, succeeded, failed, code = given
    return Run(state=state, succeeded=succeeded, failed=failed, error_code=code)


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([WHOLE, WHOLE], JobState.COMPLETED),
        ([WHOLE, PARTIAL], JobState.COMPLETED_WITH_ERRORS),
        ([WHOLE, BROKEN], JobState.COMPLETED_WITH_ERRORS),
        ([WHOLE, NOTHING], JobState.COMPLETED_WITH_ERRORS),
        ([NOTHING], JobState.FAILED),
        ([BROKEN], JobState.FAILED),
        ([NOTHING, BROKEN], JobState.FAILED),
        ([WHOLE, TOO_MANY], JobState.FAILED),
        ([WHOLE, CANCELLED], JobState.CANCELLED),
    ],
)
def test_a_job_ends_by_what_its_runs_completed(runs: list[Given], expected: JobState) -> None:
    assert end_of([run(given) for given in runs]) is expected
