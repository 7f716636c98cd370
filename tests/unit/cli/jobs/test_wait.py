from __future__ import annotations

from dataclasses import dataclass, field

import httpx
import pytest

from fixtures.api.api_double import ApiDouble, job, run
from samfleet.client.schemas import Job
from samfleet.client.transport import ApiError, ApiUnreachable
from samfleet.client.wait import LONGEST_INTERVAL_SECONDS, Clock, JobFailed, follow_job
from samfleet_cli.exit_codes import ExitCode
from samfleet_cli.jobs.exit_code import exit_code_of


@dataclass
class FakeTime:
    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)

    def clock(self) -> Clock:
        return Clock(now=lambda: self.now, sleep=self.sleep)


def test_a_job_is_polled_until_it_ends() -> None:
    api = ApiDouble({"GET /v1/jobs/j1": [job(state="queued"), *[job(state="running")] * 8, job()]})
    seen: list[str] = []
    time = FakeTime()
    over = follow_job(api.client(), "j1", lambda now: seen.append(now.state), time.clock())
    assert over.state == "completed"
    assert seen == ["queued", *["running"] * 8, "completed"]
    assert max(time.slept) == LONGEST_INTERVAL_SECONDS


def test_waiting_continues_while_the_api_restarts() -> None:
    answers = [job(state="running"), *[None] * 30, job()]

    class Restarts(ApiDouble):
        def __call__(self, request: httpx.Request) -> httpx.Response:
            if (answer := answers.pop(0)) is None:
                raise httpx.ConnectError("refused")
            return httpx.Response(200, json=answer)

    assert follow_job(Restarts({}).client(), "j1", lambda _job: None, FakeTime().clock()).state == "completed"


def test_waiting_continues_while_the_database_is_down() -> None:
    away = {"type": "about:blank", "title": "Away", "code": "database_unavailable", "detail": "wait", "status": 503}
    answers = [job(state="running"), *[None] * 30, job()]

    class Away(ApiDouble):
        def __call__(self, request: httpx.Request) -> httpx.Response:
            answer = answers.pop(0)
            return httpx.Response(200, json=answer) if answer else httpx.Response(503, json=away)

    assert follow_job(Away({}).client(), "j1", lambda _job: None, FakeTime().clock()).state == "completed"


def test_waiting_ends_when_the_job_is_deleted() -> None:
    time = FakeTime()
    gone = httpx.Response(404, json={"code": "job_not_found", "detail": "no job j1"})
    with pytest.raises(ApiError, match="no job j1"):
        follow_job(ApiDouble({"GET /v1/jobs/j1": gone}).client(), "j1", lambda _job: None, time.clock())
    assert time.slept == []


def test_an_api_that_stays_unreachable_is_an_error() -> None:
    class Gone(ApiDouble):
        def __call__(self, request: httpx.Request) -> httpx.Response:
            raise httpx.ConnectError("refused")

    with pytest.raises(ApiUnreachable):
        follow_job(Gone({}).client(), "j1", lambda _job: None, FakeTime().clock())


@pytest.mark.parametrize(
    ("state", "failed", "expected"),
    [
        ("completed", 0, ExitCode.OK),
        ("completed_with_errors", 1, ExitCode.IMAGES_FAILED),
        ("cancelled", 0, ExitCode.CANCELLED),
    ],
)
def test_the_exit_code_follows_the_state_of_the_job(state: str, failed: int, expected: ExitCode) -> None:
    counts = {"total": 2, "succeeded": 2 - failed, "failed": failed}
    assert exit_code_of(Job.model_validate(job(state=state, counts=counts))) is expected


def test_a_failed_job_says_why() -> None:
    failed = job(state="failed", error={"code": "weights_missing", "message": "pull the weights"})
    with pytest.raises(JobFailed, match=r"pull the weights \(weights_missing\)"):
        exit_code_of(Job.model_validate(failed))


def test_a_failed_job_says_why_each_of_its_runs_failed() -> None:
    missing = {"code": "variant_load_failed", "message": "the weights are missing"}
    damaged = {"code": "variant_load_failed", "message": "the weights are damaged"}
    runs = [run(variant="a", error=missing), run(variant="b"), run(variant="c", error=damaged)]
    failed = Job.model_validate(job(state="failed", error=missing, runs=runs))
    assert failed.reasons == [
        "a on pool local: the weights are missing (variant_load_failed)",
        "c on pool local: the weights are damaged (variant_load_failed)",
    ]
    with pytest.raises(JobFailed, match=r"missing.*; c on pool local: the weights are damaged"):
        exit_code_of(failed)


def test_a_failed_job_says_what_is_complete() -> None:
    missing = {"code": "variant_load_failed", "message": "the weights are missing"}
    runs = [run(variant="a", state="failed", error=missing), run(variant="b"), run(variant="c", state="cancelled")]
    failed = Job.model_validate(job(state="failed", error=missing, runs=runs))
    assert (
        failed.kept == "complete, with all results: b on pool local; results that failed runs recorded before are kept"
    )
    with pytest.raises(JobFailed, match="complete, with all results: b on pool local"):
        exit_code_of(failed)
    alone = Job.model_validate(job(state="failed", error=missing, runs=runs[:1]))
    assert alone.kept == "results that failed runs recorded before are kept"


def test_a_job_whose_images_all_failed_has_the_exit_code_of_failed_images() -> None:
    error = {"code": "no_image_succeeded", "message": "all images failed"}
    ended = Job.model_validate(job(state="failed", error=error))
    assert exit_code_of(ended) is ExitCode.IMAGES_FAILED
