"""Queue and devices of a pool in `/v1/pools`."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import delete

from fixtures.api.running_api import Api, Tenant
from fixtures.worker.recorded_jobs import claim_next, new_job, plan, record_shard
from samfleet.db.models import Hardware, WorkerHeartbeat
from samfleet.db.session import transaction
from samfleet.jobs.hardware import fingerprint, remember_hardware

EMPTY = {"images_waiting": 0, "images_in_progress": 0, "shards_waiting": 0, "shards_in_progress": 0}


def pools(tenant: Tenant) -> dict[str, Any]:
    return {pool["name"]: pool for pool in tenant.http.get("/v1/pools").json()["items"]}


def moved(tenant: Tenant, before: dict[str, Any], pool: str = "default") -> list[int]:
    """Return the change of the queue; other tests leave jobs in it."""
    return [pools(tenant)[pool]["queue"][name] - before[pool]["queue"][name] for name in EMPTY]


def test_a_queue_counts_waiting_and_leased_images_and_shards(api: Api, tenant: Tenant) -> None:
    folder = api.root / uuid.uuid4().hex
    folder.mkdir()
    before = pools(tenant)
    job = new_job(tenant, folder, images=7)
    (run,) = job["runs"]
    assert moved(tenant, before) == [7, 0, 0, 0]
    plan(api, job, shard_size=4)
    assert moved(tenant, before) == [7, 0, 2, 0]
    claimed = claim_next(api, run["id"])
    assert claimed is not None
    assert moved(tenant, before) == [3, 4, 1, 1]
    record_shard(api, claimed)
    assert moved(tenant, before) == [3, 0, 1, 0]
    last = claim_next(api, run["id"])
    assert last is not None
    assert moved(tenant, before) == [0, 3, 0, 1]
    assert moved(tenant, before, "other") == [0, 0, 0, 0]
    tenant.http.post(f"/v1/jobs/{job['id']}/cancel")
    assert moved(tenant, before) == [0, 0, 0, 0]


def test_shards_are_counted_correctly_for_any_done_ones(api: Api, tenant: Tenant) -> None:
    folder = api.root / uuid.uuid4().hex
    folder.mkdir()
    before = pools(tenant)
    job = new_job(tenant, folder, images=9)
    plan(api, job, shard_size=4)
    (run,) = job["runs"]
    held = [claim_next(api, run["id"]) for _ in range(3)]
    assert held[2] is not None
    record_shard(api, held[2])  # the smaller one
    assert moved(tenant, before) == [0, 8, 0, 2]
    assert held[0] is not None
    record_shard(api, held[0])
    assert moved(tenant, before) == [0, 4, 0, 1]


def test_a_pool_names_only_the_runs_of_the_callers_tenant(api: Api, tenant: Tenant, other_tenant: Tenant) -> None:
    folder = api.root / uuid.uuid4().hex
    folder.mkdir()
    assert pools(tenant)["default"]["work"] == []
    job = new_job(tenant, folder, images=5, name="mine")
    plan(api, job, shard_size=4)
    (run,) = job["runs"]
    claimed = claim_next(api, run["id"])
    assert claimed is not None
    assert pools(tenant)["default"]["work"] == [
        {
            "job_id": job["id"],
            "job_name": "mine",
            "run_id": run["id"],
            "variant": "mobile_sam",
            "shards": 1,
            "images": 4,
        }
    ]
    assert pools(other_tenant)["default"]["work"] == []
    record_shard(api, claimed)
    assert pools(tenant)["default"]["work"] == []


@pytest.fixture
def heard(api: Api) -> Iterator[tuple[str, datetime]]:
    """Two workers of `default` share a GPU and a CPU server; the second worker has the later report of each."""
    now = datetime.now(UTC)  # of this test: workers not seen for half a minute are gone
    facts = {"device_kind": "cuda", "device_name": "NVIDIA L4", "threads": uuid.uuid4().hex}
    with transaction(api.engine) as session:
        hardware_id = remember_hardware(session, [facts]).id_of(facts)
        for number in range(2):
            seen_at = (now + timedelta(seconds=number)).isoformat()
            gpu = {
                "id": "GPU-1",
                "kind": "cuda",
                "name": "NVIDIA L4",
                "fingerprint_sha256": fingerprint(facts),
                "busy_share": 0.25 + number / 4,
                "memory_used_bytes": 10 + number,
                "memory_total_bytes": 100,
                "utilization": 0.5,
                "power_watts": 70.0,
                "seen_at": seen_at,
            }
            unknown = dict.fromkeys(("memory_used_bytes", "memory_total_bytes", "utilization", "power_watts"))
            cpu = {**gpu, **unknown, "id": "cpu", "kind": "cpu", "name": "A CPU", "fingerprint_sha256": "unknown"}
            servers = [
                {"address": f"gpu-{number}:1", "ready": True, "version": "2.71.0", "devices": [gpu]}
                | {"loading": {"sam_vit_h": seen_at} if number else {}},
                {"address": "cpu-1:1", "ready": True, "version": "2.51.0", "devices": [{**cpu, "busy_share": 0.75}]},
                {"address": f"cpu-{2 + number}:1", "ready": True, "devices": [{**cpu, "busy_share": 0.0}]},
            ]
            beat = WorkerHeartbeat(worker=f"heard-{number}", pool="default", started_at=now, seen_at=now)
            beat.triton_ready, beat.detail = True, {"servers": servers}
            session.add(beat)
    yield str(hardware_id), now
    with transaction(api.engine) as session:
        session.execute(delete(WorkerHeartbeat).where(WorkerHeartbeat.worker.like("heard-%")))
        session.execute(delete(Hardware).where(Hardware.id == hardware_id))


def test_a_device_reported_by_several_workers_is_shown_once(tenant: Tenant, heard: tuple[str, datetime]) -> None:
    hardware_id, now = heard
    gpu, *cpus = sorted(pools(tenant)["default"]["devices"], key=lambda device: str(device["kind"] != "cuda"))
    assert gpu == {
        "id": "GPU-1",
        "hardware_id": hardware_id,
        "name": "NVIDIA L4",
        "kind": "cuda",
        "busy_share": 0.75,  # the sum of the requests of both
        "memory_used_bytes": 11,
        "memory_total_bytes": 100,
        "utilization": 0.5,
        "power_watts": 70.0,
        "seen_at": (now + timedelta(seconds=1)).isoformat().replace("+00:00", "Z"),
    }
    assert [cpu["busy_share"] for cpu in cpus] == [1.0, 0.0, 0.0]  # a share never exceeds 1
    assert {cpu["hardware_id"] for cpu in cpus} == {None}
    assert pools(tenant)["other"]["devices"] == []


def test_models_that_are_being_loaded_are_listed_with_their_start(tenant: Tenant, heard: tuple[str, datetime]) -> None:
    found = pools(tenant)
    since = (heard[1] + timedelta(seconds=1)).isoformat().replace("+00:00", "Z")
    assert found["default"]["loading"] == [{"variant": "sam_vit_h", "address": "gpu-1:1", "since": since}]
    assert found["default"]["condition"]["code"] == "ready"
    assert found["other"]["loading"] == []


@pytest.mark.usefixtures("heard")
def test_versions_of_triton_are_listed_and_old_ones_have_a_warning(api: Api, tenant: Tenant) -> None:
    pool = pools(tenant)["default"]
    assert pool["triton_versions"] == ["2.51.0", "2.71.0"]
    (warning,) = pool["warnings"]
    assert "2.51.0" in warning
    assert "CVE-2026-47627" in warning
    assert pools(tenant)["other"]["warnings"] == []


@pytest.mark.usefixtures("heard")
def test_callers_without_a_key_learn_no_version(api: Api) -> None:
    for path in ("/readyz", "/metrics"):
        text = httpx.get(f"{api.url}{path}").text
        assert "default" in text
        assert "2.51.0" not in text
