from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from time import monotonic
from typing import Any

import pytest
from sqlalchemy import Engine, select, text

from fixtures.worker.job_rows import (
    claim_one,
    make_dataset,
    make_job,
    record_one,
    reload,
    results_of,
    run_out,
    shards_of,
    start_job,
)
from samfleet.db.models import ImageResult, Job, JobState, Run, RunQuality, RunState, ShardState
from samfleet.db.session import read_only, transaction
from samfleet.jobs.abandon import MOST_FAILURES, bounded_planning
from samfleet.jobs.cancel import cancel_job
from samfleet.jobs.claim import LeaseLost, expire_leases
from samfleet.jobs.delete import delete_job
from samfleet.jobs.dispatch import dispatch_run
from samfleet.jobs.export import Export, ExportFormat, iter_export, recorded_parts
from samfleet.jobs.finish import finish_run
from samfleet.jobs.pause import pause_job
from samfleet.jobs.plan import plan_job
from samfleet.jobs.progress import Progress, progress_of_runs
from samfleet.jobs.purge import remove_job
from samfleet.jobs.queue import MemoryTaskQueue
from samfleet.jobs.retry import JobNotRetryable, retry_job
from samfleet.jobs.throughput import throughput_of_runs
from samfleet.rollups.rebuild import count_run
from samfleet.storage.jsonl import read_jsonl_zst
from samfleet.storage.memory_store import MemoryStore
from samfleet.wire.stages import IMAGE


class Fleet:
    """A job of one run with its store and queue."""

    def __init__(self, engine: Engine, images: int = 8, **fields: Any) -> None:
        self.engine, self.queue, self.store = engine, MemoryTaskQueue(), MemoryStore()
        self.run = start_job(engine, self.queue, images, **fields)

    def end(self, failures: Sequence[int]) -> None:
        """Record the queued shards with so many failures each, and finish the run."""
        for failed in failures:
            record_one(self.engine, self.queue, self.store, claim_one(self.engine, self.run), failed=failed)
        finish_run(self.engine, self.store, self.run.id)

    def retry(self) -> None:
        job, _ = reload(self.engine, self.run)
        with transaction(self.engine) as session:
            retry_job(session, self.queue, job.tenant_id, job.id)
        with transaction(self.engine) as session:
            dispatch_run(session, self.queue, self.run.id, 100)

    @property
    def states(self) -> tuple[JobState, RunState]:
        job, run = reload(self.engine, self.run)
        return job.state, run.state

    @property
    def counts(self) -> tuple[int, int, int]:
        """Return succeeded and failed images and masks; the rows must have the same."""
        run = reload(self.engine, self.run)[1]
        rows = results_of(self.engine, self.run)
        failed = sum(row.error_code is not None for row in rows)
        assert (run.succeeded, run.failed, run.masks) == (
            len(rows) - failed,
            failed,
            sum(row.mask_count for row in rows),
        )
        return run.succeeded, run.failed, run.masks

    @property
    def lines(self) -> list[dict[str, Any]]:
        with read_only(self.engine) as session:
            parts = recorded_parts(session, self.run.id)
        chunks = b"".join(iter_export(self.store, parts, Export(ExportFormat.JSONL)))
        return [json.loads(line) for line in chunks.splitlines()]

    @property
    def outcomes(self) -> list[str]:
        """Return the outcome of each image in the export, in order; the rows must name the same lines."""
        lines = self.lines
        assert [line["image_id"] for line in lines] == sorted(line["image_id"] for line in lines)
        for row, line in zip(results_of(self.engine, self.run), lines, strict=True):
            assert list(read_jsonl_zst(self.store, row.part_key))[row.part_line] == line
            assert (row.outcome.value, row.mask_count) == (line["outcome"], len(line["masks"]))
        return [line["outcome"] for line in lines]

    def progress(self) -> Progress:
        with transaction(self.engine) as session:
            return progress_of_runs(session, [session.get_one(Run, self.run.id)])[self.run.id]

    def check_rollups(self) -> None:
        """Compare the stored rollups with the rows."""
        with transaction(self.engine) as session:
            counted = count_run(session, self.run.id)
            stored = session.execute(text("SELECT sum(n), sum(failures) FROM rollups WHERE stage = 'image'")).one()
        images = [entry for cell, entry in counted.items() if cell.stage == IMAGE]
        assert tuple(stored) == (sum(one.n for one in images), sum(one.failures for one in images))


def test_only_failed_images_are_computed_again_and_replaced(engine: Engine) -> None:
    fleet = Fleet(engine)
    fleet.end([2, 0])
    assert (fleet.states, fleet.counts) == ((JobState.COMPLETED_WITH_ERRORS, RunState.COMPLETED), (6, 2, 12))
    before = {row.image_id: row.created_at for row in results_of(engine, fleet.run)}
    whole, rate = fleet.lines, fleet.progress().images_per_second
    fleet.retry()
    assert fleet.states == (JobState.RUNNING, RunState.RUNNING)
    assert [shard.state.value for shard in shards_of(engine, fleet.run)] == ["queued", "done"]
    claimed = claim_one(engine, fleet.run)
    assert [image.image_id for image in claimed.images] == [101, 102]
    assert (fleet.lines, fleet.counts) == (whole, (6, 2, 12))  # nothing is lost meanwhile
    now = fleet.progress()
    assert (now.retrying, now.fraction, now.eta_seconds, now.images_per_second) == (2, 0.75, None, rate)
    record_one(engine, fleet.queue, fleet.store, claimed)
    assert fleet.states[1] is RunState.FINISHING
    finish_run(engine, fleet.store, fleet.run.id)
    assert (fleet.states, fleet.counts) == ((JobState.COMPLETED, RunState.COMPLETED), (8, 0, 16))
    assert fleet.outcomes == ["succeeded"] * 8
    after = {row.image_id: row.created_at for row in results_of(engine, fleet.run)}
    assert {image for image, at in after.items() if at != before[image]} == {101, 102}
    fleet.check_rollups()
    with transaction(engine) as session:
        points = throughput_of_runs(session, [session.get_one(Run, fleet.run.id)], 4).points[fleet.run.id]
    assert (sum(point.images for point in points), sum(point.failures for point in points)) == (8, 0)


def test_an_image_that_fails_again_keeps_one_row(engine: Engine) -> None:
    fleet = Fleet(engine)
    fleet.end([3, 1])
    fleet.retry()
    fleet.end([1, 1])
    assert (fleet.states[0], fleet.counts) == (JobState.COMPLETED_WITH_ERRORS, (6, 2, 12))
    assert fleet.outcomes == ["failed", *["succeeded"] * 3, "failed", *["succeeded"] * 3]
    fleet.check_rollups()
    fleet.retry()
    fleet.end([0, 0])
    assert (fleet.states[0], fleet.counts) == (JobState.COMPLETED, (8, 0, 16))


def test_a_retried_shard_is_recorded_once_whoever_dies(engine: Engine) -> None:
    fleet = Fleet(engine, 4)
    fleet.end([2])
    fleet.retry()
    slow = claim_one(engine, fleet.run)
    run_out(engine, slow)
    with transaction(engine) as session:
        expire_leases(session, fleet.run.id, 3)
    with transaction(engine) as session:
        dispatch_run(session, fleet.queue, fleet.run.id, 100)
    (shard,) = shards_of(engine, fleet.run, ShardState.QUEUED)
    assert shard.suspect
    with pytest.raises(LeaseLost):
        record_one(engine, fleet.queue, fleet.store, slow)
    assert fleet.counts == (2, 2, 4)


def test_a_retry_waits_for_its_last_shard_before_it_judges_the_failure_rate(engine: Engine) -> None:
    fleet = Fleet(engine, 12, max_failure_rate=0.25)
    for failed in (3, 1):
        record_one(engine, fleet.queue, fleet.store, claim_one(engine, fleet.run), failed=failed)
    assert fleet.states == (JobState.FAILED, RunState.FAILED)
    fleet.retry()
    assert reload(engine, fleet.run)[1].error_code is None
    fleet.end([0, 0, 0])  # two with failures, and the one that was never recorded
    assert (fleet.states[0], fleet.counts) == (JobState.COMPLETED, (12, 0, 24))
    fleet.check_rollups()


def test_a_second_retry_and_jobs_without_failures_are_refused(engine: Engine) -> None:
    whole = Fleet(engine, 4)
    with pytest.raises(JobNotRetryable, match="is running; only an ended job"):
        whole.retry()
    whole.end([0])
    with pytest.raises(JobNotRetryable, match="is completed"):
        whole.retry()
    partial = Fleet(engine, 5)
    partial.end([1, 0])
    partial.retry()
    with pytest.raises(JobNotRetryable, match="is running"):
        partial.retry()


def test_a_retry_that_is_cancelled_keeps_all_results(engine: Engine) -> None:
    fleet = Fleet(engine)
    fleet.end([2, 0])
    whole = fleet.lines
    fleet.retry()
    claimed = claim_one(engine, fleet.run)
    job, _ = reload(engine, fleet.run)
    with transaction(engine) as session:
        pause_job(session, job.tenant_id, job.id)
        cancel_job(session, job.tenant_id, job.id)
    with pytest.raises(LeaseLost):
        record_one(engine, fleet.queue, fleet.store, claimed)
    assert (fleet.lines, fleet.counts) == (whole, (6, 2, 12))
    fleet.check_rollups()


def test_a_retry_evaluates_the_run_again(engine: Engine) -> None:
    fleet = Fleet(engine, 4, annotated=True, task={"kind": "prompts", "prompt": "box"})
    record_one(engine, fleet.queue, fleet.store, claim_one(engine, fleet.run), failed=1)
    with transaction(engine) as session:
        session.get_one(Run, fleet.run.id).evaluations_begun = 99  # more than allowed: no figures
    finish_run(engine, fleet.store, fleet.run.id)
    assert reload(engine, fleet.run)[1].quality_error_code == "evaluation_failed"
    fleet.retry()
    run = reload(engine, fleet.run)[1]
    assert (run.quality_error_code, run.evaluations_begun) == (None, 0)
    fleet.end([0])
    with read_only(engine) as session:
        figures = session.scalars(select(RunQuality.metric).where(RunQuality.run_id == fleet.run.id)).all()
    assert bool(figures) != bool(reload(engine, fleet.run)[1].quality_error_code)
    assert reload(engine, fleet.run)[1].evaluations_begun == 1


def test_a_job_whose_planning_failed_is_planned_again(engine: Engine) -> None:
    queue = MemoryTaskQueue()
    with transaction(engine) as session:
        job = make_job(session, queue, make_dataset(session, 4))
    for _ in range(MOST_FAILURES):
        with pytest.raises(ZeroDivisionError), bounded_planning(engine, job.id):
            raise ZeroDivisionError
    with transaction(engine) as session:
        assert session.get_one(Job, job.id).state is JobState.FAILED
        assert retry_job(session, queue, job.tenant_id, job.id).state is JobState.QUEUED
    plan_job(engine, queue, job.id, shard_size=4, shards_in_flight=100)
    with transaction(engine) as session:
        planned = session.get_one(Job, job.id)
        assert (planned.state, planned.error_code, planned.plan_failures) == (JobState.RUNNING, None, 0)


def test_a_retried_job_is_deleted_with_all_its_parts(engine: Engine) -> None:
    fleet = Fleet(engine, 4)
    fleet.end([1])
    fleet.retry()
    fleet.end([0])
    assert len(list(fleet.store.list("runs/"))) == 2  # the part that was replaced waits for the sweep
    job, _ = reload(engine, fleet.run)
    with transaction(engine) as session:
        delete_job(session, job.tenant_id, job.id)
    remove_job(engine, fleet.store, job.id, grace=timedelta(0), deadline=monotonic() + 60)
    assert list(fleet.store.list("runs/")) == []
    with read_only(engine) as session:
        assert session.scalars(select(ImageResult.image_id)).all() == []
