from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, select, text, update
from sqlalchemy.exc import IntegrityError

from fixtures.worker.job_rows import claim_one, record_one, start_job
from samfleet.datasets.delete import delete_dataset
from samfleet.db.actors import acting_as_task
from samfleet.db.models import Dataset, Deletion, Job, Run
from samfleet.db.session import read_only, transaction
from samfleet.jobs.clean import CleanLimits, clean
from samfleet.jobs.delete import delete_expired, delete_job, expires_at
from samfleet.jobs.finish import finish_run
from samfleet.jobs.queue import MemoryTaskQueue
from samfleet.jobs.retry import retry_job
from samfleet.storage.memory_store import MemoryStore

HOUR = timedelta(hours=1)


def ended_job(
    engine: Engine, store: MemoryStore, *, days_ago: int, images: int = 4, failed: int = 0, **fields: int
) -> Job:
    queue = MemoryTaskQueue()
    run = start_job(engine, queue, images, **fields)
    record_one(engine, queue, store, claim_one(engine, run), failed=failed)
    finish_run(engine, store, run.id)
    with transaction(engine) as session:
        ended = text(f"now() - interval '{days_ago} days'")
        session.execute(update(Job).where(Job.id == run.job_id).values(finished_at=ended))
    with transaction(engine) as session:
        return session.get_one(Job, run.job_id)


def expired(engine: Engine, keep_days: int | None) -> set[uuid.UUID]:
    with transaction(engine) as session:
        return set(delete_expired(session, keep_days, 100))


def test_a_job_is_kept_for_its_own_days_or_those_of_the_server(engine: Engine) -> None:
    store = MemoryStore()
    plain = ended_job(engine, store, days_ago=8)
    short = ended_job(engine, store, days_ago=8, images=3, keep_days=7)
    ended_job(engine, store, days_ago=8, images=2, keep_days=30)
    assert expired(engine, 9) == {short.id}
    assert expired(engine, None) == set()
    assert expired(engine, 7) == {plain.id}


def test_a_job_expires_when_the_clean_up_deletes_it(engine: Engine) -> None:
    store = MemoryStore()
    plain, own = ended_job(engine, store, days_ago=8), ended_job(engine, store, days_ago=8, images=3, keep_days=9)
    assert (expires_at(plain, None), plain.finished_at is None) == (None, False)
    for days, job in ((7, plain), (9, plain), (7, own)):
        moment = expires_at(job, days)
        assert moment is not None
        assert (moment < datetime.now(UTC)) == (job.id in expired(engine, days))
    with transaction(engine) as session:
        running = session.get_one(Job, start_job(engine, MemoryTaskQueue(), 2).job_id)
        assert expires_at(running, 7) is None


def test_the_clean_up_removes_expired_jobs_and_keeps_a_record(engine: Engine) -> None:
    store = MemoryStore()
    job = ended_job(engine, store, days_ago=2)
    limits = CleanLimits(grace=HOUR, unsealed_after=HOUR, orphans_every=HOUR, keep_days=1)
    with acting_as_task("storage.clean"):
        assert clean(engine, store, limits).counts() == {"jobs_expired": 1, "jobs_removed": 1}
    with read_only(engine) as session:
        assert session.get(Job, job.id) is None
        assert session.get(Dataset, job.dataset_id) is not None
        (deletion,) = session.scalars(select(Deletion)).all()
    assert (deletion.kind.value, deletion.subject_id, deletion.actor) == ("job", job.id, "system:storage.clean")
    assert deletion.reason == "ended more than 1 days ago"
    assert list(store.list("runs/")) == []


def test_a_job_that_is_retried_is_not_expired(engine: Engine) -> None:
    job = ended_job(engine, MemoryStore(), days_ago=2, failed=1)
    with transaction(engine) as session:
        retry_job(session, MemoryTaskQueue(), job.tenant_id, job.id)
        assert expired(engine, 1) == set()  # the retry has the lock
    assert expired(engine, 1) == set()


def test_a_deletion_says_who_and_cannot_be_changed(engine: Engine) -> None:
    store = MemoryStore()
    job = ended_job(engine, store, days_ago=0)
    with transaction(engine) as session:
        for _ in range(2):
            delete_job(session, job.tenant_id, job.id)
        for _ in range(2):
            delete_dataset(session, job.tenant_id, job.dataset_id)
    with read_only(engine) as session:
        deletions = session.scalars(select(Deletion).order_by(Deletion.id)).all()
    assert [(one.kind.value, one.subject_id, one.reason) for one in deletions] == [
        ("job", job.id, "requested"),
        ("dataset", job.dataset_id, "requested"),
    ]
    for statement in ("UPDATE deletions SET actor = 'nobody'", "DELETE FROM deletions"):
        with pytest.raises(IntegrityError, match="append-only"), engine.begin() as connection:
            connection.execute(text(statement))


def test_a_deleted_job_takes_nothing_of_its_rerun(engine: Engine) -> None:
    store = MemoryStore()
    first = ended_job(engine, store, days_ago=0)
    second = ended_job(engine, store, days_ago=0, images=5)
    with transaction(engine) as session:
        row = session.get_one(Job, second.id)
        row.parent_id, row.dataset_id = first.id, first.dataset_id
        delete_job(session, first.tenant_id, first.id)
    clean(engine, store, CleanLimits(grace=HOUR, unsealed_after=HOUR, orphans_every=HOUR))
    with read_only(engine) as session:
        assert session.get(Job, first.id) is None
        assert session.get_one(Job, second.id).parent_id is None
        assert session.get(Dataset, first.dataset_id) is not None
        run_id = session.scalars(select(Run.id).where(Run.job_id == second.id)).one()
    assert [found.key.split("/")[1] for found in store.list("runs/")] == [str(run_id)]
