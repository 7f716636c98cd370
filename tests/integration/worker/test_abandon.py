"""Tasks that fail each time they are sent."""

from __future__ import annotations

from dataclasses import replace
from typing import BinaryIO

from sqlalchemy import Engine, select, text, update

from fixtures.worker.job_rows import claim_one, make_dataset, make_job, record_one, reload, results_of, start_job
from fixtures.worker.worker_services import make_services
from samfleet.db.models import Job, JobState, Run, RunState
from samfleet.db.session import transaction
from samfleet.jobs.abandon import MOST_FAILURES
from samfleet.jobs.export import recorded_parts
from samfleet.jobs.queue import MemoryTaskQueue
from samfleet.jobs.sweep import sweep
from samfleet.storage.jsonl import write_jsonl_zst
from samfleet.storage.memory_store import MemoryStore
from samfleet.storage.store import StorageUnavailable
from samfleet_worker.bootstrap import Services
from samfleet_worker.factory import create_app
from samfleet_worker.triton.memory_segmenter import MemorySegmenter


def sweep_and_work(services: Services, times: int) -> int:
    """Sweep as if the last sending was long ago, execute the sent tasks, and return how many they were."""
    app, queue = create_app(services.settings, lambda _: services), services.queue
    assert isinstance(queue, MemoryTaskQueue)
    done = 0
    for _ in range(times):
        queue.sent.clear()
        with transaction(services.engine) as session:
            for table in (Job, Run):
                session.execute(update(table).values(sent_at=text("now() - interval '1 day'")))
        sweep(services.engine, queue, services.store, services.sweep_limits)
        for sent in queue.sent:
            app.tasks[sent.task].apply(args=sent.args, throw=True)
        done += len(queue.sent)
    return done


def test_a_job_that_cannot_be_planned_fails_with_the_reason(engine: Engine) -> None:
    services = make_services(engine, MemorySegmenter())
    broken = replace(services, settings=services.settings.model_copy(update={"shard_size": 0}))
    with transaction(engine) as session:
        dataset = make_dataset(session, 3)
        job = make_job(session, services.queue, dataset, pools=["default", "other"])
        run = session.scalars(select(Run).where(Run.job_id == job.id, Run.pool == "other")).one()
    assert sweep_and_work(broken, MOST_FAILURES - 1) == MOST_FAILURES - 1
    assert reload(engine, run)[0].state is JobState.QUEUED
    assert sweep_and_work(broken, 2) == 1
    job, run = reload(engine, run)
    assert (job.state, job.error_code, run.state, run.error_code) == (
        JobState.FAILED,
        "planning_failed",
        RunState.FAILED,
        "planning_failed",
    )
    assert (
        run.error_message
        == f"planning failed {MOST_FAILURES} times; the last time: ZeroDivisionError: division by zero"
    )


def recorded(services: Services) -> Run:
    """A run with all images recorded."""
    run = start_job(services.engine, services.queue, 2)
    record_one(services.engine, services.queue, services.store, claim_one(services.engine, run))
    return run


def test_a_run_that_cannot_be_finished_fails_and_keeps_its_results(engine: Engine) -> None:
    services = make_services(engine, MemorySegmenter())
    run = recorded(services)
    with transaction(engine) as session:
        (part,) = recorded_parts(session, run.id)
    write_jsonl_zst(services.store, part, [{"not": "a row"}])
    assert sweep_and_work(services, MOST_FAILURES + 1) == MOST_FAILURES
    job, run = reload(engine, run)
    assert (job.state, run.state, run.error_code) == (JobState.FAILED, RunState.FAILED, "finishing_failed")
    assert f"finishing failed {MOST_FAILURES} times; the last time: KeyError" in (run.error_message or "")
    assert len(results_of(engine, run)) == 2


class AwayStore(MemoryStore):
    """A store that is unavailable when it is read."""

    def open(self, key: str, *, start: int = 0) -> BinaryIO:
        raise StorageUnavailable(f"{key} cannot be read")


class OddStore(MemoryStore):
    """A store that fails with a text that PostgreSQL cannot store."""

    def open(self, key: str, *, start: int = 0) -> BinaryIO:
        raise ValueError(f"odd\0 {key}\nmore lines")


def test_a_run_is_abandoned_for_any_error_text(engine: Engine) -> None:
    services = make_services(engine, MemorySegmenter())
    run = recorded(services)
    assert sweep_and_work(replace(services, store=OddStore()), MOST_FAILURES + 1) == MOST_FAILURES
    run = reload(engine, run)[1]
    assert (run.state, run.error_code) == (RunState.FAILED, "finishing_failed")
    assert f"the last time: ValueError: odd runs/{run.id}/" in (run.error_message or "")
    assert "more lines" not in (run.error_message or "")


def test_an_unavailable_store_is_not_counted_as_a_failure(engine: Engine) -> None:
    services = make_services(engine, MemorySegmenter())
    run = recorded(services)
    away = replace(services, store=AwayStore())
    assert sweep_and_work(away, MOST_FAILURES + 1) == MOST_FAILURES + 1
    assert reload(engine, run)[1].state is RunState.FINISHING
    assert sweep_and_work(services, 1) == 1
    assert reload(engine, run)[1].state is RunState.COMPLETED
