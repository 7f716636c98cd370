"""A stalled job shows the reason until it continues or ends."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from fixtures.api.running_api import Api, Tenant
from fixtures.worker.recorded_jobs import claim_next, new_job, plan, record_shard
from samfleet.db.models import WorkerHeartbeat
from samfleet.db.session import transaction
from samfleet.jobs.abandon import bounded_planning
from samfleet.jobs.claim import Fault, release
from samfleet.jobs.stall import Reason
from samfleet.storage.store import StorageUnavailable

MINUTE = timedelta(minutes=1)


def beat(api: Api, age: timedelta) -> None:
    with transaction(api.engine) as session:
        seen = datetime.now(UTC) - age
        sign = WorkerHeartbeat(worker="stalled", pool="default", started_at=seen, seen_at=seen)
        sign.triton_ready, sign.detail = True, {"servers": []}
        session.merge(sign)


@pytest.fixture(autouse=True)
def alone(api: Api) -> Iterator[None]:
    with transaction(api.engine) as session:
        session.execute(delete(WorkerHeartbeat))
    yield
    with transaction(api.engine) as session:
        session.execute(delete(WorkerHeartbeat))


def read(tenant: Tenant, job: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = tenant.http.get(f"/v1/jobs/{job['id']}").json()
    return answer


def test_the_reason_of_a_returned_shard_is_shown_until_an_image_is_recorded(
    api: Api, tenant: Tenant, folder: Path
) -> None:
    beat(api, timedelta(0))
    job = new_job(tenant, folder, images=8)
    plan(api, job)
    run_id = job["runs"][0]["id"]
    assert read(tenant, job)["stalled"] is None
    claimed = claim_next(api, run_id)
    assert claimed is not None
    with transaction(api.engine) as session:
        away = Reason("triton_unavailable", "Triton at t:8001 does not answer")
        assert release(session, claimed, error=away, retry_in=MINUTE, max_attempts=5, fault=Fault.NOBODY)
    now = read(tenant, job)
    assert (now["state"], now["counts"]["succeeded"]) == ("running", 0)
    told = {name: now["stalled"][name] for name in ("code", "message")}
    assert told == {"code": "triton_unavailable", "message": "Triton at t:8001 does not answer"}
    assert datetime.fromisoformat(now["stalled"]["since"]) > datetime.now(UTC) - MINUTE
    assert now["runs"][0]["stalled"] == now["stalled"]
    assert tenant.http.get(f"/v1/runs/{run_id}").json()["stalled"] == now["stalled"]
    listed = tenant.http.get("/v1/jobs").json()["items"]
    assert next(one for one in listed if one["id"] == job["id"])["stalled"] == now["stalled"]

    claimed = claim_next(api, run_id)
    assert claimed is not None
    record_shard(api, claimed)

    assert read(tenant, job)["stalled"] is None


def test_a_cancelled_job_waits_for_nothing(api: Api, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder, images=4)
    plan(api, job)
    assert read(tenant, job)["stalled"]["code"] == "pool_without_worker"
    tenant.http.post(f"/v1/jobs/{job['id']}/cancel")
    now = read(tenant, job)
    assert (now["state"], now["stalled"], now["runs"][0]["stalled"]) == ("cancelled", None, None)


@pytest.mark.parametrize(
    ("age", "code"), [(None, "pool_without_worker"), (MINUTE, "pool_without_worker"), (timedelta(0), None)]
)
def test_a_pool_without_a_live_worker_is_named(
    api: Api, tenant: Tenant, folder: Path, age: timedelta | None, code: str | None
) -> None:
    if age is not None:
        beat(api, age)
    job = new_job(tenant, folder, images=4)
    assert read(tenant, job)["stalled"] is None  # not planned yet: workers of a pool do not plan
    plan(api, job)
    stalled = read(tenant, job)["stalled"]
    assert (stalled["code"] if stalled else None) == code
    if stalled:
        assert "pool default" in stalled["message"]


def test_a_job_shows_that_its_planning_waits_for_an_unavailable_part(api: Api, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder, images=4)
    with pytest.raises(StorageUnavailable), bounded_planning(api.engine, uuid.UUID(job["id"])):
        raise StorageUnavailable("the store does not answer")
    now = read(tenant, job)
    assert (now["state"], now["stalled"]["code"]) == ("queued", "storage_unavailable")
    beat(api, timedelta(0))
    plan(api, job)
    assert read(tenant, job)["stalled"] is None
