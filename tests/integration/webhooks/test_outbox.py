"""Events are written with the change that they report, once, for the endpoints that want them."""

from __future__ import annotations

import json
import uuid

import pytest
from sqlalchemy import Engine, select

from fixtures.worker.job_rows import claim_one, record_one, start_job
from fixtures.worker.webhook_rows import add_endpoint, add_tenant, deliveries
from samfleet.db.models import Job, JobEvent, Run, WebhookEvent
from samfleet.db.session import read_only, transaction
from samfleet.jobs.cancel import cancel_job
from samfleet.jobs.event_types import EVENT_TYPES
from samfleet.jobs.finish import finish_run
from samfleet.jobs.queue import MemoryTaskQueue
from samfleet.storage.memory_store import MemoryStore
from samfleet.webhooks.outbox import add_event

URL = "https://example.com/"


@pytest.fixture
def queue() -> MemoryTaskQueue:
    return MemoryTaskQueue()


def events(engine: Engine) -> list[tuple[str, dict[str, object]]]:
    with read_only(engine) as session:
        rows = session.scalars(select(WebhookEvent).order_by(WebhookEvent.created_at, WebhookEvent.type.desc()))
        return [(row.type, json.loads(row.body)["data"]) for row in rows]


def tenant_of(engine: Engine, run: Run) -> uuid.UUID:
    with read_only(engine) as session:
        return session.get_one(Job, run.job_id).tenant_id


def complete(engine: Engine, queue: MemoryTaskQueue, run: Run) -> None:
    store = MemoryStore()
    record_one(engine, queue, store, claim_one(engine, run), failed=1)
    finish_run(engine, store, run.id)


def test_a_completed_job_is_reported_with_ids_states_and_counts(engine: Engine, queue: MemoryTaskQueue) -> None:
    run = start_job(engine, queue, 3)
    add_endpoint(engine, tenant_of(engine, run), URL)
    complete(engine, queue, run)
    found = dict(events(engine))
    assert list(found) == ["run.finishing", "run.completed", "job.completed_with_errors"]
    counts = {"total": 3, "succeeded": 2, "failed": 1, "masks": 4}
    job, finished = found["job.completed_with_errors"], found["run.completed"]
    assert (job["job_id"], job["from_state"], job["state"], job["counts"]) == (
        str(run.job_id), "running", "completed_with_errors", counts,
    )  # fmt: skip
    assert (finished["run_id"], finished["variant"], finished["counts"]) == (str(run.id), "mobile_sam", counts)
    assert job["links"] == {"job": f"/v1/jobs/{run.job_id}", "dashboard": f"/dashboard/jobs/{run.job_id}"}


def test_every_logged_change_of_state_is_one_event(engine: Engine, queue: MemoryTaskQueue) -> None:
    first = start_job(engine, queue, 3)
    tenant_id = tenant_of(engine, first)
    with transaction(engine) as session:
        logged_before = set(session.scalars(select(JobEvent.id)))
    add_endpoint(engine, tenant_id, URL)
    complete(engine, queue, first)
    with read_only(engine) as session:
        logged = [row for row in session.scalars(select(JobEvent)) if row.id not in logged_before]
    wanted = sorted(f"{'run' if row.run_id else 'job'}.{row.to_state}" for row in logged)
    assert sorted(name for name, _ in events(engine)) == wanted
    assert set(wanted) <= set(EVENT_TYPES)


def test_a_rolled_back_change_leaves_no_event(engine: Engine, queue: MemoryTaskQueue) -> None:
    run = start_job(engine, queue, 3)
    tenant_id = tenant_of(engine, run)
    add_endpoint(engine, tenant_id, URL)
    with pytest.raises(ZeroDivisionError), transaction(engine) as session:
        cancel_job(session, tenant_id, run.job_id)
        assert session.scalars(select(WebhookEvent.type)).all() != []
        _ = 1 / 0
    assert events(engine) == []
    with transaction(engine) as session:
        cancel_job(session, tenant_id, run.job_id)
    assert sorted(name for name, _ in events(engine)) == ["job.cancelled", "run.cancelled"]


def test_only_wanted_types_of_the_own_tenant_are_written(engine: Engine, queue: MemoryTaskQueue) -> None:
    run = start_job(engine, queue, 3)
    tenant_id = tenant_of(engine, run)
    wanted = add_endpoint(engine, tenant_id, URL, events=["job.completed_with_errors", "job.failed"])
    add_endpoint(engine, tenant_id, URL, events=["job.failed"])
    add_endpoint(engine, tenant_id, URL, enabled=False)
    add_endpoint(engine, add_tenant(engine), URL)
    complete(engine, queue, run)
    assert [name for name, _ in events(engine)] == ["job.completed_with_errors"]
    assert [one.endpoint_id for one in deliveries(engine)] == [wanted.id]


def test_without_an_endpoint_no_payload_is_computed(engine: Engine) -> None:
    def never() -> dict[str, str]:
        raise AssertionError("computed")

    with transaction(engine) as session:
        assert add_event(session, add_tenant(engine), "job.completed", never) is None


def test_an_endpoint_cannot_be_deleted_under_a_change_of_state(engine: Engine) -> None:
    """The deletion would make the insertion of the delivery fail, and with it the change of the job."""
    tenant_id = add_tenant(engine)
    endpoint = add_endpoint(engine, tenant_id, URL)
    with transaction(engine) as session:
        add_event(session, tenant_id, "job.completed", dict)
        with engine.connect() as other:
            other.exec_driver_sql("SET lock_timeout = '50ms'")
            with pytest.raises(Exception, match="lock timeout"):
                other.exec_driver_sql("DELETE FROM webhook_endpoints WHERE id = %s", (endpoint.id,))
            other.rollback()
            other.exec_driver_sql("UPDATE webhook_endpoints SET attempted_at = now()")  # deliveries go on meanwhile
    assert len(deliveries(engine)) == 1
