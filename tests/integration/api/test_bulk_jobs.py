"""One action on many jobs: every job succeeds or fails for itself."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from fixtures.api.running_api import Api, Tenant
from fixtures.worker.recorded_jobs import carry_out, failed, new_job
from samfleet.db.models import JobEvent
from samfleet.db.session import read_only
from samfleet_api.jobs import bulk


def act(tenant: Tenant, action: str, **body: Any) -> list[dict[str, Any]]:
    """Act on all jobs, request by request, and return what happened to each."""
    items: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = tenant.http.post("/v1/job-actions", json={"action": action, **body}, params=cursor)
        page = answer.raise_for_status().json()
        items += page["items"]
        if page["next"] is None:
            return items
        cursor = {"cursor": page["next"]}


def told(items: list[dict[str, Any]]) -> list[tuple[str | None, str | None, str | None]]:
    return [(one["name"], one["state"], one["error"] and one["error"]["code"]) for one in items]


def states(tenant: Tenant) -> dict[str, str]:
    return {job["name"]: job["state"] for job in tenant.http.get("/v1/jobs").json()["items"]}


@pytest.fixture
def named(tenant: Tenant, folder: Path) -> dict[str, dict[str, Any]]:
    """Three queued jobs by name."""
    return {name: new_job(tenant, folder, images=1, name=name, labels={"team": name[0]}) for name in ("a1", "a2", "b1")}


def test_a_refusal_of_one_job_changes_no_other(
    api: Api, tenant: Tenant, other_tenant: Tenant, folder: Path, named: dict[str, Any]
) -> None:
    carry_out(api, named["a1"])
    foreign = new_job(other_tenant, folder, images=1, name="foreign")
    ids = [named["a1"]["id"], foreign["id"], named["b1"]["id"], named["b1"]["id"]]
    items = act(tenant, "cancel", job_ids=ids)
    assert told(items) == [
        ("a1", "completed", "job_finished"),
        (None, None, "job_not_found"),
        ("b1", "cancelled", None),
    ]
    assert "cannot be cancelled" in items[0]["error"]["message"]
    assert states(tenant) == {"a1": "completed", "a2": "queued", "b1": "cancelled"}
    assert states(other_tenant) == {"foreign": "queued"}


def test_all_that_match_are_found_in_several_requests(
    api: Api, tenant: Tenant, named: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MOST_AT_ONCE", 1)
    assert told(act(tenant, "pause", filter={"label": ["team:a"]}, most=2)) == [
        ("a2", "paused", None),
        ("a1", "paused", None),
    ]
    assert states(tenant) == {"a1": "paused", "a2": "paused", "b1": "queued"}
    resumed = act(tenant, "resume", job_ids=[job["id"] for job in named.values()])
    assert told(resumed) == [(name, "queued", None) for name in ("a1", "a2", "b1")]
    cancelled = act(tenant, "cancel", filter={"state": ["queued"]}, most=3)  # jobs leave the filter one by one
    assert {one["state"] for one in cancelled} == {"cancelled"}
    assert len(cancelled) == 3
    with read_only(api.engine) as session:
        ids = [uuid.UUID(job["id"]) for job in named.values()]
        actors = session.scalars(select(JobEvent.actor).where(JobEvent.job_id.in_(ids))).all()
    assert {actor.partition(":")[0] for actor in actors} == {"key"}


def test_a_request_that_has_taken_too_long_leaves_the_rest_to_the_next(
    tenant: Tenant, named: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MOST_SECONDS", -1.0)
    body = {"action": "cancel", "job_ids": [job["id"] for job in named.values()]}
    page = tenant.http.post("/v1/job-actions", json=body).json()
    assert told(page["items"]) == [("a1", "cancelled", None)]
    page = tenant.http.post("/v1/job-actions", json=body, params={"cursor": page["next"]}).json()
    assert told(page["items"]) == [("a2", "cancelled", None)]
    assert told(act(tenant, "cancel", filter={}, most=3)) == [(name, "cancelled", None) for name in ("b1", "a2", "a1")]


def test_more_matches_than_expected_stop_the_action(tenant: Tenant, named: dict[str, Any]) -> None:
    body = {"action": "delete", "cancel": True, "filter": {"q": ""}, "most": len(named) - 1}
    answer = tenant.http.post("/v1/job-actions", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_jobs_match")
    assert set(states(tenant)) == set(named)


def test_jobs_are_deleted_and_open_ones_only_on_request(api: Api, tenant: Tenant, named: dict[str, Any]) -> None:
    carry_out(api, named["a1"])
    ids = [named["a1"]["id"], named["a2"]["id"]]
    assert told(act(tenant, "delete", job_ids=ids)) == [("a1", None, None), ("a2", "queued", "job_not_finished")]
    assert told(act(tenant, "delete", job_ids=ids[1:], cancel=True)) == [("a2", None, None)]
    assert set(states(tenant)) == {"b1"}
    deleted = tenant.http.get("/v1/deletions", params={"kind": "job"}).json()["items"]
    assert [one["name"] for one in deleted] == ["a2", "a1"]


def test_failures_are_retried_and_results_exported(api: Api, tenant: Tenant, named: dict[str, Any]) -> None:
    carry_out(api, named["a1"], failed)
    carry_out(api, named["b1"])
    ids = [job["id"] for job in named.values()]
    exported = act(tenant, "export", job_ids=ids, export={"format": "coco"})
    assert [(one["exports"], one["error"] and one["error"]["code"]) for one in exported] == [
        (1, None),
        (0, "run_not_ended"),
        (1, None),
    ]
    run = named["b1"]["runs"][0]["id"]
    assert [one["format"] for one in tenant.http.get(f"/v1/runs/{run}/exports").json()["items"]] == ["coco"]
    assert told(act(tenant, "retry", job_ids=ids)) == [
        ("a1", "running", None),
        ("a2", "queued", "job_not_retryable"),
        ("b1", "completed", "job_not_retryable"),
    ]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"action": "cancel"}, "payload_invalid"),
        ({"action": "cancel", "job_ids": []}, "payload_invalid"),
        ({"action": "cancel", "job_ids": [str(uuid.uuid4())], "filter": {}, "most": 1}, "payload_invalid"),
        ({"action": "cancel", "filter": {}}, "payload_invalid"),
        ({"action": "cancel", "filter": {"label": ["a b:c"]}, "most": 1}, "labels_invalid"),
        ({"action": "cancel", "job_ids": [str(uuid.uuid4())], "cancel": True}, "payload_invalid"),
        ({"action": "export", "job_ids": [str(uuid.uuid4())]}, "payload_invalid"),
        ({"action": "export", "job_ids": [str(uuid.uuid4())], "export": {"format": "no"}}, "export_format_unknown"),
        ({"action": "burn", "job_ids": [str(uuid.uuid4())]}, "payload_invalid"),
    ],
)
def test_wrong_requests_are_refused(tenant: Tenant, body: dict[str, Any], code: str) -> None:
    answer = tenant.http.post("/v1/job-actions", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_a_cursor_belongs_to_its_kind_of_request(tenant: Tenant, named: dict[str, Any]) -> None:
    listed = tenant.http.get("/v1/jobs", params={"limit": 1}).json()["next"]
    body = {"action": "cancel", "job_ids": [named["a1"]["id"]]}
    answer = tenant.http.post("/v1/job-actions", json=body, params={"cursor": listed})
    assert (answer.status_code, answer.json()["code"]) == (422, "cursor_invalid")
