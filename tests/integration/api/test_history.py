"""Changes of jobs, and deletions: who, when and why."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from fixtures.api.running_api import Api, Tenant
from fixtures.worker.recorded_jobs import carry_out, new_job
from samfleet.db.actors import acting_as_task
from samfleet.db.session import transaction
from samfleet.jobs.cancel import cancel_job


def read(tenant: Tenant, path: str, **parameters: Any) -> list[dict[str, Any]]:
    """Return all items of a list, read in pages of two."""
    items: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = tenant.http.get(path, params={"limit": 2, **parameters, **cursor}).json()
        items += page["items"]
        if page["next"] is None:
            return items
        cursor = {"cursor": page["next"]}


def test_the_history_tells_who_changed_what_and_why(api: Api, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder)
    path = f"/v1/jobs/{job['id']}"
    tenant.http.post(f"{path}/pause")
    tenant.http.patch(path, json={"name": "later", "labels": {"team": "a"}})
    tenant.http.patch(path, json={"name": "later"})  # changes nothing
    with transaction(api.engine) as session, acting_as_task("jobs.plan"):
        cancel_job(session, tenant.id, uuid.UUID(job["id"]))
    changes = read(tenant, f"{path}/history")
    assert [change["id"] for change in changes] == sorted((change["id"] for change in changes), reverse=True)
    told = [(change["variant"], change["from_state"], change["to_state"], change["reason"]) for change in changes]
    assert told == [
        (None, "paused", "cancelled", "requested"),
        ("mobile_sam", "queued", "cancelled", "the job was cancelled"),
        (None, "paused", "paused", "changed labels, name"),
        (None, "queued", "paused", "requested"),
        ("mobile_sam", None, "queued", None),
        (None, None, "queued", None),
    ]
    assert [change["actor"] for change in changes[:2]] == ["system:jobs.plan"] * 2
    assert {change["key"] for change in changes[:2]} == {None}
    assert {change["key"] for change in changes[2:]} == {"registered"}
    assert all(change["actor"].startswith("key:") for change in changes[2:])
    assert {change["run_id"] for change in changes if change["variant"]} == {job["runs"][0]["id"]}


def test_the_history_ends_with_the_job(tenant: Tenant, other_tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder)
    path = f"/v1/jobs/{job['id']}/history"
    assert tenant.http.get(path.replace(job["id"], job["id"][:8])).status_code == 200
    assert other_tenant.http.get(path).json()["code"] == "job_not_found"
    assert tenant.http.get(path, params={"cursor": "WyJhIl0"}).json()["code"] == "cursor_invalid"
    tenant.http.delete(f"/v1/jobs/{job['id']}", params={"cancel": True})
    assert tenant.http.get(path).status_code == 404


def test_deletions_are_listed_by_kind_for_their_tenant(
    api: Api, tenant: Tenant, other_tenant: Tenant, folder: Path
) -> None:
    jobs = [new_job(tenant, folder, name=name) for name in ("first", "second")]
    carry_out(api, jobs[0])
    for job in jobs:
        tenant.http.delete(f"/v1/jobs/{job['id']}", params={"cancel": True})
        tenant.http.delete(f"/v1/datasets/{job['dataset_id']}")
    deletions = read(tenant, "/v1/deletions")
    assert [(one["kind"], one["subject_id"]) for one in deletions] == [
        ("dataset", jobs[1]["dataset_id"]),
        ("job", jobs[1]["id"]),
        ("dataset", jobs[0]["dataset_id"]),
        ("job", jobs[0]["id"]),
    ]
    assert [one["name"] for one in read(tenant, "/v1/deletions", kind="job")] == ["second", "first"]
    assert {(one["key"], one["reason"]) for one in deletions} == {("registered", "requested")}
    assert read(other_tenant, "/v1/deletions") == []
    assert tenant.http.get("/v1/deletions", params={"kind": "run"}).status_code == 422
