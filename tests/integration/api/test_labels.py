"""Names, labels and notes of jobs and datasets: set, changed, and searched."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fixtures.api.running_api import Api, Tenant
from fixtures.worker.recorded_jobs import carry_out, new_job

LABELS = {"team": "shelves", "example.com/round": "2", "draft": ""}


def new_dataset(tenant: Tenant, **fields: Any) -> dict[str, Any]:
    answer = tenant.http.post("/v1/datasets", json={"source": "upload", **fields})
    assert answer.status_code == 201, answer.text
    dataset: dict[str, Any] = answer.json()
    return dataset


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def listed(tenant: Tenant, kind: str, **parameters: Any) -> list[str]:
    """Return the names in the list, read in pages of one."""
    names, cursor = [], None
    while True:
        page = tenant.http.get(
            f"/v1/{kind}", params={"limit": 1, **parameters, **({"cursor": cursor} if cursor else {})}
        )
        assert page.status_code == 200, page.text
        names += [item["name"] for item in page.json()["items"]]
        cursor = page.json()["next"]
        if cursor is None:
            return names


def test_a_job_has_the_labels_and_notes_of_its_submission(tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder, name="mine", labels=LABELS, notes="for week 48")
    assert (job["labels"], job["notes"]) == (LABELS, "for week 48")
    assert tenant.http.get(f"/v1/jobs/{job['id']}").json()["labels"] == LABELS
    plain = new_job(tenant, folder)
    assert (plain["labels"], plain["notes"]) == ({}, None)


def test_an_idempotency_key_includes_the_labels(tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder)
    body = {"dataset_id": job["dataset_id"], "variants": ["mobile_sam"], "task": {"kind": "everything"}}
    sent = [
        tenant.http.post("/v1/jobs", json={**body, "labels": labels}, headers={"Idempotency-Key": "labelled"})
        for labels in ({"a": "1"}, {"a": "1"}, {"a": "2"})
    ]
    assert [answer.status_code for answer in sent] == [202, 200, 409]


def test_a_rerun_takes_over_labels_and_notes_unless_others_are_given(tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder, labels=LABELS, notes="first")
    same = tenant.http.post("/v1/jobs", json={"rerun_of": job["id"]}).json()
    assert (same["labels"], same["notes"]) == (LABELS, "first")
    other = tenant.http.post("/v1/jobs", json={"rerun_of": job["id"], "labels": {"a": "1"}, "notes": "second"}).json()
    assert (other["labels"], other["notes"]) == ({"a": "1"}, "second")


@pytest.mark.parametrize("no_labels", [None, {}])
def test_null_clears_what_a_rerun_would_take_over(
    tenant: Tenant, folder: Path, no_labels: dict[str, str] | None
) -> None:
    job = new_job(tenant, folder, name="first", labels=LABELS, notes="old", keep_days=30)
    body = {"rerun_of": job["id"], "name": None, "labels": no_labels, "notes": None, "keep_days": None}
    again = tenant.http.post("/v1/jobs", json=body).json()
    assert [again[name] for name in ("name", "labels", "notes", "keep_days")] == [None, {}, None, None]
    some = tenant.http.post("/v1/jobs", json={"rerun_of": job["id"], "notes": None}).json()
    assert (some["name"], some["labels"], some["notes"], some["keep_days"]) == ("first", LABELS, None, 30)
    required = tenant.http.post("/v1/jobs", json={"rerun_of": job["id"], "dataset_id": None, "variants": None}).json()
    assert (required["dataset_id"], required["name"]) == (job["dataset_id"], "first")


@pytest.mark.parametrize("kind", ["jobs", "datasets"])
def test_a_patch_changes_given_fields_and_merges_labels(tenant: Tenant, folder: Path, kind: str) -> None:
    fields: dict[str, Any] = {"name": "first", "labels": LABELS, "notes": "old"}
    created = new_job(tenant, folder, **fields) if kind == "jobs" else new_dataset(tenant, **fields)
    path = f"/v1/{kind}/{created['id']}"
    assert tenant.http.patch(path, json={}).json() == created
    changes = {"name": "second", "labels": {"team": "doors", "draft": None, "new": "1"}}
    changed = tenant.http.patch(path, json=changes, headers={"Content-Type": "application/merge-patch+json"})
    assert changed.status_code == 200, changed.text
    labels = {"team": "doors", "example.com/round": "2", "new": "1"}
    assert changed.json() == {**created, "name": "second", "labels": labels}
    assert tenant.http.get(path).json() == changed.json()
    cleared = tenant.http.patch(path, json={"labels": None, "notes": None}).json()
    assert (cleared["name"], cleared["labels"], cleared["notes"]) == ("second", {}, None)


def test_a_job_tells_when_it_will_be_deleted(api: Api, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder, keep_days=30)
    path = f"/v1/jobs/{job['id']}"
    assert (job["keep_days"], job["expires_at"]) == (30, None)
    carry_out(api, job)
    ended = tenant.http.get(path).json()
    assert moment(ended["expires_at"]) - moment(ended["finished_at"]) == timedelta(days=30)
    assert tenant.http.get("/v1/jobs").json()["items"][0]["expires_at"] == ended["expires_at"]
    shorter = tenant.http.patch(path, json={"keep_days": 7}).json()
    assert moment(shorter["expires_at"]) - moment(ended["finished_at"]) == timedelta(days=7)
    forever = tenant.http.patch(path, json={"keep_days": None}).json()  # this server keeps jobs forever
    assert (forever["keep_days"], forever["expires_at"]) == (None, None)
    assert tenant.http.patch(path, json={"keep_days": 0}).status_code == 422


def test_only_a_job_may_lose_its_name(tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder, name="first")
    assert tenant.http.patch(f"/v1/jobs/{job['id']}", json={"name": None}).json()["name"] is None
    answer = tenant.http.patch(f"/v1/datasets/{job['dataset_id']}", json={"name": None})
    assert (answer.status_code, answer.json()["code"]) == (422, "payload_invalid")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"labels": {"a b": "1"}}, "labels_invalid"),
        ({"labels": {"a": "x\x00"}}, "labels_invalid"),
        ({"labels": {f"k{number}": "" for number in range(65)}}, "labels_invalid"),
        ({"labels": {"a": 1}}, "payload_invalid"),
        ({"labels": ["a"]}, "payload_invalid"),
        ({"name": ""}, "payload_invalid"),
        ({"notes": "x" * 4001}, "payload_invalid"),
        ({"state": "completed"}, "payload_invalid"),
    ],
)
def test_wrong_changes_are_refused_and_change_nothing(
    tenant: Tenant, folder: Path, changes: dict[str, Any], code: str
) -> None:
    job = new_job(tenant, folder, name="first", labels={"a": "1"})
    answer = tenant.http.patch(f"/v1/jobs/{job['id']}", json={"notes": "new", **changes})
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    assert tenant.http.get(f"/v1/jobs/{job['id']}").json() == job


def test_wrong_labels_are_refused_at_creation(tenant: Tenant, folder: Path) -> None:
    wrong = {"labels": {"a b": "1"}}
    for body in ({"source": "upload"}, {"source": "directory", "directory": str(folder)}):
        answer = tenant.http.post("/v1/datasets", json={**body, **wrong})
        assert (answer.status_code, answer.json()["code"]) == (422, "labels_invalid")
    assert tenant.http.get("/v1/datasets").json()["items"] == []
    job = new_job(tenant, folder)
    again = tenant.http.post("/v1/jobs", json={"rerun_of": job["id"], **wrong})
    assert (again.status_code, again.json()["code"]) == (422, "labels_invalid")
    assert "'a b' is not a valid key" in again.json()["detail"]


def test_nobody_changes_what_another_tenant_owns(tenant: Tenant, other_tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder)
    for path in (f"/v1/jobs/{job['id']}", f"/v1/datasets/{job['dataset_id']}", f"/v1/jobs/{uuid.uuid4()}"):
        assert other_tenant.http.patch(path, json={"name": "mine"}).status_code == 404


def test_a_deleted_job_cannot_be_changed(tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder)
    tenant.http.delete(f"/v1/jobs/{job['id']}", params={"cancel": True})
    assert tenant.http.patch(f"/v1/jobs/{job['id']}", json={"name": "late"}).status_code == 404


@pytest.mark.parametrize("kind", ["jobs", "datasets"])
def test_lists_are_searched_by_text_and_labels(tenant: Tenant, other_tenant: Tenant, folder: Path, kind: str) -> None:
    def create(owner: Tenant, name: str, **fields: Any) -> None:
        if kind == "jobs":
            new_job(owner, folder, name=name, **fields)
        else:
            new_dataset(owner, name=name, **fields)

    create(tenant, "Shelves 50 %", labels={"team": "a", "round": "1"}, notes="first try")
    create(tenant, "doors", labels={"team": "a", "round": "2"}, notes="like the SHELVES")
    create(tenant, "windows", labels={"team": "b"})
    create(other_tenant, "shelves", labels={"team": "a"})
    assert listed(tenant, kind, q="shelves") == ["doors", "Shelves 50 %"]
    assert listed(tenant, kind, q="%") == ["Shelves 50 %"]  # not a pattern
    assert listed(tenant, kind, label="team:a") == ["doors", "Shelves 50 %"]
    assert listed(tenant, kind, label=["team:a", "round:2"]) == ["doors"]
    assert listed(tenant, kind, label=["round:1", "round:2"]) == []
    assert listed(tenant, kind, q="first", label="team:a") == ["Shelves 50 %"]
    assert listed(tenant, kind, label="team:") == []
    answer = tenant.http.get(f"/v1/{kind}", params={"label": "team"})
    assert (answer.status_code, answer.json()["code"]) == (422, "labels_invalid")


def test_the_search_combines_with_the_other_filters(tenant: Tenant, folder: Path) -> None:
    first = new_job(tenant, folder, name="first", labels={"team": "a"})
    new_job(tenant, folder, name="second", labels={"team": "a"})
    tenant.http.post(f"/v1/jobs/{first['id']}/cancel")
    assert listed(tenant, "jobs", label="team:a", state="cancelled") == ["first"]
    assert listed(tenant, "jobs", label="team:a", name="SECOND") == ["second"]
