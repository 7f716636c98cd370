from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from fixtures.api.running_api import Api, Tenant
from fixtures.worker.recorded_jobs import claim_next, new_job, plan, record_shard
from samfleet.jobs.finish import finish_run


def jobs_of(answer: httpx.Response) -> Iterator[dict[str, Any]]:
    for line in answer.iter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


def test_events_are_sent_at_once_on_every_change_and_at_the_end_of_a_job(
    api: Api, tenant: Tenant, folder: Path
) -> None:
    job = new_job(tenant, folder, images=4)
    run_id = job["runs"][0]["id"]
    with tenant.http.stream("GET", f"/v1/jobs/{job['id']}/events") as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        told = jobs_of(answer)
        assert next(told)["state"] == "queued"
        plan(api, job)
        assert next(told)["state"] == "running"
        claimed = claim_next(api, run_id)
        assert claimed is not None
        record_shard(api, claimed)
        assert next(one for one in told if one["progress"])["progress"] == 0.5
        claimed = claim_next(api, run_id)
        assert claimed is not None
        record_shard(api, claimed)
        finish_run(api.engine, api.store, uuid.UUID(run_id))
        assert [one["state"] for one in told][-1] == "completed"  # the stream has ended by itself


def test_an_ended_job_sends_one_event(tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder)
    tenant.http.post(f"/v1/jobs/{job['id']}/cancel")
    answer = tenant.http.get(f"/v1/jobs/{job['id']}/events")
    assert [one["state"] for one in jobs_of(answer)] == ["cancelled"]


def test_other_tenants_cannot_follow_a_job(tenant: Tenant, other_tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder)
    answer = other_tenant.http.get(f"/v1/jobs/{job['id']}/events")
    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")


@pytest.mark.parametrize("path", ["/dashboard/", "/dashboard/jobs/x?run=1", "/dashboard/variants?loaded=yes"])
def test_dashboard_pages_need_no_key_and_accept_filters(api: Api, path: str) -> None:
    answer = httpx.get(api.url + path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "<script>" not in answer.text
    assert "style=" not in answer.text


def test_static_files_are_served_with_their_types_and_nothing_else(api: Api) -> None:
    client = TestClient(api.app)
    for name, media_type in (("app.js", "javascript"), ("style.css", "text/css"), ("icon.svg", "image/svg+xml")):
        answer = client.get(f"/dashboard/static/{name}")
        assert media_type in answer.headers["Content-Type"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert client.get("/dashboard/static/%2e%2e/pages.py").status_code == 404
    assert "text/html" in client.get("/dashboard/nowhere").headers["Content-Type"]
