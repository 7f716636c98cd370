from __future__ import annotations

import io
from typing import Any

from fixtures.api.api_double import job
from samfleet.client.schemas import Job
from samfleet.client.uploads import UploadProgress
from samfleet_cli.jobs.progress import LINE_INTERVAL_SECONDS, LiveDisplay, PlainDisplay, describe, open_display


def running(succeeded: int, **changes: Any) -> Job:
    counts = {"total": 66, "succeeded": succeeded, "failed": 2, "in_progress": 3}
    return Job.model_validate(job(**{"state": "running", "counts": counts, "eta_seconds": 41.4, **changes}))


def test_progress_lines_describe_a_job() -> None:
    assert describe(running(10)) == "15/66 images · 1.5 images/s · 0:00:41 left · 2 failed"
    assert describe(running(0, images_per_second=None, eta_seconds=None)) == "5/66 images · 2 failed"


def test_plain_lines_appear_on_changes_and_are_rate_limited() -> None:
    now = 0.0
    stream = io.StringIO()
    display = PlainDisplay(stream, clock=lambda: now)
    for succeeded, seconds in ((0, 0.0), (1, 1.0), (2, 1.0), (2, LINE_INTERVAL_SECONDS), (2, 60.0)):
        now += seconds
        display.job(running(succeeded))
    display.job(running(61, state="completed"))
    shown = [line.split()[1] for line in stream.getvalue().splitlines()]
    assert shown == ["5/66", "7/66", "66/66"]


def test_a_stream_other_than_a_terminal_gets_plain_lines() -> None:
    stream = io.StringIO()
    with open_display(stream) as display:
        display.uploading(UploadProgress(3, 3))
    assert stream.getvalue() == "uploading: 3/3 files\n"


def test_the_live_bar_shows_names_verbatim() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    display = open_display(stream)
    assert isinstance(display, LiveDisplay)
    with display:
        display.say("dataset [red]: 2 images")
        display.uploading(UploadProgress(1, 2))
        display.job(running(10))
    assert "dataset [red]: 2 images" in stream.getvalue()
    assert "15/66 images" in stream.getvalue()


STALLED = {"code": "triton_unavailable", "message": "Triton does not answer", "since": "2026-11-28T12:00:00Z"}


def test_a_plain_line_says_what_a_job_waits_for() -> None:
    stream = io.StringIO()
    display = PlainDisplay(stream)
    display.job(running(0, stalled=STALLED))
    display.job(running(61, state="completed", stalled=STALLED))
    waiting, over = stream.getvalue().splitlines()
    assert waiting.startswith("running: 5/66 images")
    assert waiting.endswith(": Triton does not answer (triton_unavailable)")
    assert "Triton" not in over


def test_the_live_display_says_once_why_a_job_waits_and_that_it_continues() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    with open_display(stream) as display:
        for stalled in (STALLED, STALLED, None):
            display.job(running(0, stalled=stalled))
    assert stream.getvalue().count("Triton does not answer") == 1
    assert stream.getvalue().count("continues") == 1
