"""The quotas of open jobs and open images of a tenant."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, func, select, update
from sqlalchemy.orm import Session

from fixtures.worker.job_rows import EVERYTHING, POOLS, claim_one, make_dataset, record_one, start_job
from samfleet.db.models import Dataset, Job, JobState, Tenant
from samfleet.db.session import read_only, transaction
from samfleet.errors import SamfleetError
from samfleet.jobs.abandon import MOST_FAILURES, bounded_planning
from samfleet.jobs.cancel import cancel_job
from samfleet.jobs.dispatch import dispatch_run
from samfleet.jobs.finish import finish_run
from samfleet.jobs.job_request import IdempotencyConflict, JobRequest
from samfleet.jobs.pause import pause_job
from samfleet.jobs.queue import MemoryTaskQueue
from samfleet.jobs.quotas import JobTooLarge, Quotas, TooManyOpenImages, TooManyOpenJobs
from samfleet.jobs.retry import retry_job
from samfleet.jobs.submit import submit_job
from samfleet.storage.memory_store import MemoryStore


def submit(session: Session, dataset: Dataset, most: int | None, key: str | None = None) -> tuple[uuid.UUID, bool]:
    request = JobRequest(dataset.tenant_id, dataset.id, ["mobile_sam"], EVERYTHING, idempotency_key=key)
    job, created = submit_job(session, MemoryTaskQueue(), request, POOLS, quotas=Quotas(open_jobs=most))
    return job.id, created


def limit(session: Session, dataset: Dataset, most: int | None) -> None:
    session.execute(update(Tenant).where(Tenant.id == dataset.tenant_id).values(max_open_jobs=most))


def count_jobs(session: Session, dataset: Dataset) -> int:
    return session.scalars(select(func.count()).where(Job.tenant_id == dataset.tenant_id)).one()


@pytest.mark.parametrize("most", [1, 3])
def test_parallel_submissions_open_exactly_as_many_jobs_as_allowed(engine: Engine, most: int) -> None:
    with transaction(engine) as session:
        dataset = make_dataset(session, 1)
        limit(session, dataset, most)
    together = threading.Barrier(8)

    def one() -> str:
        with transaction(engine) as session:
            assert count_jobs(session, dataset) == 0
            together.wait(timeout=30)  # every transaction has begun before the first job is written
            try:
                submit(session, dataset, None)
            except TooManyOpenJobs as error:
                return error.code
        return "open"

    with ThreadPoolExecutor(8) as threads:
        told = sorted(answer.result() for answer in [threads.submit(one) for _ in range(8)])
    assert told == ["open"] * most + ["too_many_open_jobs"] * (8 - most)
    with read_only(engine) as session:
        assert count_jobs(session, dataset) == most


def test_the_limit_of_a_tenant_replaces_the_default(session: Session) -> None:
    wide, narrow, plain = (make_dataset(session, images) for images in (1, 2, 3))
    limit(session, wide, 3)
    limit(session, narrow, 1)
    for dataset, allowed in ((wide, 3), (narrow, 1), (plain, 2)):
        for _ in range(allowed):
            submit(session, dataset, 2)
        with pytest.raises(TooManyOpenJobs, match=f"{allowed}, allowed: {allowed}; wait") as refused:
            submit(session, dataset, 2)
        assert refused.value.retry_after_seconds == 30
        assert count_jobs(session, dataset) == allowed
    for _ in range(5):
        submit(session, plain, None)


def test_a_lower_limit_stops_no_job(session: Session) -> None:
    dataset = make_dataset(session, 1)
    for _ in range(3):
        submit(session, dataset, None)
    limit(session, dataset, 1)
    with pytest.raises(TooManyOpenJobs, match="3, allowed: 1"):
        submit(session, dataset, None)
    assert set(session.scalars(select(Job.state))) == {JobState.QUEUED}


def test_paused_jobs_are_open_and_ended_ones_are_not(session: Session) -> None:
    dataset = make_dataset(session, 1)
    job_id, _ = submit(session, dataset, 1)
    pause_job(session, dataset.tenant_id, job_id)
    with pytest.raises(TooManyOpenJobs):
        submit(session, dataset, 1)
    cancel_job(session, dataset.tenant_id, job_id)
    for ended in (JobState.CANCELLED, JobState.FAILED, JobState.COMPLETED, JobState.COMPLETED_WITH_ERRORS):
        job = session.get_one(Job, submit(session, dataset, 1)[0])
        for state in (JobState.QUEUED, JobState.RUNNING):
            job.state = state
            with pytest.raises(TooManyOpenJobs):
                submit(session, dataset, 1)
        job.state = ended


def test_a_wrong_request_is_told_its_mistake_beyond_the_limit_too(session: Session) -> None:
    dataset = make_dataset(session, 1)
    submit(session, dataset, 1)
    wrong = JobRequest(dataset.tenant_id, dataset.id, ["sam_huge"], EVERYTHING)
    with pytest.raises(SamfleetError) as refused:
        submit_job(session, MemoryTaskQueue(), wrong, POOLS, quotas=Quotas(open_jobs=1))
    assert refused.value.code == "variant_unknown"


def test_a_repeated_key_gets_its_job_beyond_the_limit(session: Session) -> None:
    dataset = make_dataset(session, 1)
    first = submit(session, dataset, 1, "k")
    assert submit(session, dataset, 1, "k") == (first[0], False)
    with pytest.raises(TooManyOpenJobs):
        submit(session, dataset, 1, "other")
    other = JobRequest(dataset.tenant_id, dataset.id, ["mobile_sam"], EVERYTHING, name="x", idempotency_key="k")
    with pytest.raises(IdempotencyConflict):
        submit_job(session, MemoryTaskQueue(), other, POOLS, quotas=Quotas(open_jobs=1))


def test_parallel_requests_with_one_key_get_the_job_that_took_the_last_place(engine: Engine) -> None:
    with transaction(engine) as session:
        dataset = make_dataset(session, 1)
        limit(session, dataset, 1)
    together = threading.Barrier(4)

    def one() -> tuple[uuid.UUID, bool]:
        with transaction(engine) as session:
            assert count_jobs(session, dataset) == 0
            together.wait(timeout=30)
            return submit(session, dataset, None, "k")

    with ThreadPoolExecutor(4) as threads:
        answers = [answer.result() for answer in [threads.submit(one) for _ in range(4)]]
    assert len({job_id for job_id, _ in answers}) == 1
    assert sorted(created for _, created in answers) == [False, False, False, True]


def test_a_retry_needs_a_place_too(engine: Engine) -> None:
    queue = MemoryTaskQueue()
    with transaction(engine) as session:
        dataset = make_dataset(session, 4)
        failed, _ = submit(session, dataset, 1)
    for _ in range(MOST_FAILURES):
        with pytest.raises(ZeroDivisionError), bounded_planning(engine, failed):
            raise ZeroDivisionError
    with transaction(engine) as session:
        other, _ = submit(session, dataset, 1)
    with pytest.raises(TooManyOpenJobs), transaction(engine) as session:
        retry_job(session, queue, dataset.tenant_id, failed, Quotas(open_jobs=1))
    with transaction(engine) as session:
        job = session.get_one(Job, failed)
        assert (job.state, job.finished_at is None) == (JobState.FAILED, False)
        cancel_job(session, dataset.tenant_id, other)
        assert retry_job(session, queue, dataset.tenant_id, failed, Quotas(open_jobs=1)).state is JobState.QUEUED


def submit_images(session: Session, dataset: Dataset, most: int, variants: Sequence[str] = ("mobile_sam",)) -> Job:
    request = JobRequest(dataset.tenant_id, dataset.id, variants, EVERYTHING)
    return submit_job(session, MemoryTaskQueue(), request, POOLS, quotas=Quotas(open_images=most))[0]


def test_images_count_once_for_each_run(session: Session) -> None:
    dataset = make_dataset(session, 4)
    two = ("mobile_sam", "sam_vit_b")
    with pytest.raises(JobTooLarge, match="all its runs: 8, allowed open at a time: 7; make smaller"):
        submit_images(session, dataset, 7, two)
    submit_images(session, dataset, 8, two)
    with pytest.raises(TooManyOpenImages, match="8, of this job: 4, allowed: 11; wait") as refused:
        submit_images(session, dataset, 11)
    assert refused.value.retry_after_seconds == 30
    submit_images(session, dataset, 12)
    assert count_jobs(session, dataset) == 2


def test_recorded_images_and_ended_jobs_are_not_open(engine: Engine) -> None:
    queue, store = MemoryTaskQueue(), MemoryStore()
    run = start_job(engine, queue, 8)
    with transaction(engine) as session:
        job = session.get_one(Job, run.job_id)
        dataset = session.get_one(Dataset, job.dataset_id)
    record_one(engine, queue, store, claim_one(engine, run), failed=2)
    with pytest.raises(TooManyOpenImages, match="4, of this job: 8, allowed: 11"), transaction(engine) as session:
        submit_images(session, dataset, 11)
    record_one(engine, queue, store, claim_one(engine, run))
    finish_run(engine, store, run.id)
    with transaction(engine) as session:  # the first job has ended
        second = submit_images(session, dataset, 9)
        with pytest.raises(TooManyOpenImages, match="8, of this job: 2, allowed: 9"):
            retry_job(session, queue, job.tenant_id, job.id, Quotas(open_images=9))
        cancel_job(session, job.tenant_id, second.id)
        retry_job(session, queue, job.tenant_id, job.id, Quotas(open_images=9))
        with pytest.raises(TooManyOpenImages, match="2, of this job: 8, allowed: 9"):
            submit_images(session, dataset, 9)
    with transaction(engine) as session:
        dispatch_run(session, queue, run.id, 100)
    record_one(engine, queue, store, claim_one(engine, run))
    finish_run(engine, store, run.id)
    with transaction(engine) as session:
        submit_images(session, dataset, 9)


def test_the_image_limit_of_a_tenant_replaces_the_default(session: Session) -> None:
    dataset = make_dataset(session, 4)
    session.execute(update(Tenant).where(Tenant.id == dataset.tenant_id).values(max_open_images=3))
    with pytest.raises(JobTooLarge, match="allowed open at a time: 3"):
        submit_images(session, dataset, 100)
    session.execute(update(Tenant).where(Tenant.id == dataset.tenant_id).values(max_open_images=4))
    submit_images(session, dataset, 1)


def test_parallel_submissions_open_no_more_images_than_allowed(engine: Engine) -> None:
    with transaction(engine) as session:
        dataset = make_dataset(session, 4)
    together = threading.Barrier(6)

    def one() -> str:
        with transaction(engine) as session:
            assert count_jobs(session, dataset) == 0
            together.wait(timeout=30)
            try:
                submit_images(session, dataset, 11)
            except TooManyOpenImages as error:
                return error.code
        return "open"

    with ThreadPoolExecutor(6) as threads:
        told = sorted(answer.result() for answer in [threads.submit(one) for _ in range(6)])
    assert told == ["open"] * 2 + ["too_many_open_images"] * 4
