"""Deletion of jobs and datasets over HTTP, by their owner, another tenant and an anonymous client."""

from __future__ import annotations

import uuid
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from fixtures.api.running_api import Api, Tenant
from fixtures.worker.recorded_jobs import carry_out, new_job
from samfleet.jobs.clean import CleanLimits, clean

LIMITS = CleanLimits(timedelta(hours=1), timedelta(days=7), timedelta(hours=1))


def test_a_deleted_job_is_missing_in_every_response(api: Api, tenant: Tenant, folder: Path) -> None:
    headers = {"Idempotency-Key": "once"}
    job = new_job(tenant, folder)
    carry_out(api, job)
    run = f"/v1/runs/{job['runs'][0]['id']}"
    body = {"dataset_id": job["dataset_id"], "variants": ["mobile_sam"], "task": {"kind": "everything"}}
    repeated = tenant.http.post("/v1/jobs", json=body, headers=headers).json()
    for _ in range(2):
        assert tenant.http.delete(f"/v1/jobs/{repeated['id']}", params={"cancel": True}).status_code == 204
    assert tenant.http.post("/v1/jobs", json=body, headers=headers).json()["id"] != repeated["id"]
    assert tenant.http.delete(f"/v1/jobs/{job['id']}").status_code == 204
    for path in ("", "/errors", "/errors/groups", "/throughput", "/events"):
        answer = tenant.http.get(f"/v1/jobs/{job['id']}{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found"), path
    assert tenant.http.post(f"/v1/jobs/{job['id']}/cancel").status_code == 404
    for path in ("", "/results", "/images", "/images/1", "/images/1/overlay.png", "/images/1/picture"):
        assert tenant.http.get(f"{run}{path}").status_code == 404, path
    assert job["id"] not in [one["id"] for one in tenant.http.get("/v1/jobs").json()["items"]]
    assert [row["n"] for row in tenant.http.get("/v1/reports/throughput").json()["rows"]] == [3]
    clean(api.engine, api.store, LIMITS)
    assert tenant.http.delete(f"/v1/jobs/{job['id']}").status_code == 404
    assert list(api.store.list(run.removeprefix("/v1/") + "/")) == []
    assert [row["n"] for row in tenant.http.get("/v1/reports/throughput").json()["rows"]] == [3]


def test_measurements_are_deleted_on_request(api: Api, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder)
    carry_out(api, job)
    tenant.http.delete(f"/v1/jobs/{job['id']}", params={"forget_measurements": True})
    assert tenant.http.get("/v1/reports/throughput").json()["rows"] == []


def test_a_running_job_and_a_dataset_in_use_are_refused(tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder)
    answer = tenant.http.delete(f"/v1/jobs/{job['id']}")
    assert (answer.status_code, answer.json()["code"]) == (409, "job_not_finished")
    path = f"/v1/datasets/{job['dataset_id']}"
    answer = tenant.http.delete(path)
    assert (answer.status_code, answer.json()["code"]) == (409, "dataset_in_use")
    assert job["id"] in answer.json()["detail"]
    assert tenant.http.delete(f"/v1/jobs/{job['id']}", params={"cancel": True}).status_code == 204
    for _ in range(2):
        assert tenant.http.delete(path).status_code == 204
    assert tenant.http.get(path).json()["code"] == "dataset_not_found"
    assert tenant.http.get(f"{path}/images").status_code == 404
    assert tenant.http.post(f"{path}/seal").status_code == 404
    assert path.rpartition("/")[2] not in [one["id"] for one in tenant.http.get("/v1/datasets").json()["items"]]
    assert sorted(path.name for path in folder.iterdir()) == ["0.png", "1.png", "2.png"]


@pytest.mark.parametrize("what", ["jobs", "datasets"])
def test_only_the_owner_can_delete(api: Api, tenant: Tenant, other_tenant: Tenant, folder: Path, what: str) -> None:
    job = new_job(tenant, folder)
    path = f"/v1/{what}/{job['id' if what == 'jobs' else 'dataset_id']}"
    rival, unknown = (other_tenant.http.delete(one) for one in (path, f"/v1/{what}/{uuid.uuid4()}"))
    assert rival.status_code == unknown.status_code == 404
    assert rival.json()["code"] == unknown.json()["code"]
    assert httpx.delete(api.url + path).status_code == 401
    assert tenant.http.get(path).status_code == 200
