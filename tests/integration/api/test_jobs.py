from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from fixtures.api.running_api import Api, Tenant
from fixtures.worker.recorded_jobs import LEASE, carry_out, claim_next, failed, new_job, plan, record_shard, segmented
from samfleet.db.models import ApiKey, JobEvent
from samfleet.db.session import read_only, transaction
from samfleet.jobs.claim import renew
from samfleet.jobs.dispatch import dispatch_run
from samfleet.jobs.finish import finish_run
from samfleet.jobs.outcomes import ImageOutcome, ShardImage


def every_second_fails(image: ShardImage) -> ImageOutcome:
    return failed(image) if image.image_id % 2 == 0 else segmented(image)


def test_a_submitted_job_is_queued(api: Api, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder, variants=["mobile_sam"], pools=["default", "other"], name="mine")
    assert (job["name"], job["state"], job["progress"], job["error"]) == ("mine", "queued", 0.0, None)
    assert job["counts"] == {"total": 6, "succeeded": 0, "failed": 0, "in_progress": 0}
    assert (job["images_per_second"], job["eta_seconds"], job["started_at"]) == (None, None, None)
    assert [(run["variant"], run["pool"], run["state"]) for run in job["runs"]] == [
        ("mobile_sam", "default", "queued"),
        ("mobile_sam", "other", "queued"),
    ]
    assert job["runs"][0]["task"]["points_per_side"] == 32
    assert "stages" not in job["runs"][0]
    assert [(sent.task, sent.args) for sent in api.queue.sent if job["id"] in sent.args] == [
        ("jobs.plan", (job["id"],))
    ]
    assert tenant.http.get(f"/v1/jobs/{job['id']}").json() == job


def test_the_same_key_gives_the_same_job(tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder)
    body = {"dataset_id": job["dataset_id"], "variants": ["mobile_sam"], "task": {"kind": "everything"}}
    headers = {"Idempotency-Key": "once"}
    first = tenant.http.post("/v1/jobs", json=body, headers=headers)
    again = tenant.http.post("/v1/jobs", json=body, headers=headers)
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.headers["Location"] == again.headers["Location"] == f"/v1/jobs/{first.json()['id']}"
    other = tenant.http.post("/v1/jobs", json={**body, "name": "another"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"dataset_id": "5f0c0a52-9b0e-4a71-8d5a-0d2f6f0a1c11"}, 404, "dataset_not_found"),
        ({"dataset_id": "{open}"}, 409, "dataset_not_sealed"),
        ({"variants": []}, 422, "payload_invalid"),
        ({"variants": ["sam_9"]}, 422, "variant_unknown"),
        ({"variants": ["a\x00"]}, 422, "payload_invalid"),
        ({"variants": ["mobile_sam", "mobile_sam"]}, 422, "job_invalid"),
        ({"pools": ["nowhere"]}, 422, "pool_unknown"),
        ({"task": {"kind": "nothing"}}, 422, "task_invalid"),
        ({"task": {"kind": "everything", "points_per_side": 0}}, 422, "task_invalid"),
        ({"task": {"kind": "everything", "unknown": 1}}, 422, "task_invalid"),
        ({"task": {"kind": "prompts", "prompt": ["box"]}}, 422, "task_invalid"),
        ({"task": {"kind": "prompts", "prompt": "box"}}, 422, "annotations_missing"),
        ({"task": "everything"}, 422, "payload_invalid"),
        ({"max_failure_rate": 1.5}, 422, "payload_invalid"),
        ({"unknown": 1}, 422, "payload_invalid"),
    ],
)
def test_wrong_jobs_are_refused(tenant: Tenant, folder: Path, changes: dict[str, Any], status: int, code: str) -> None:
    job = new_job(tenant, folder, images=1)
    if changes.get("dataset_id") == "{open}":
        changes = {"dataset_id": tenant.http.post("/v1/datasets", json={"source": "upload"}).json()["id"]}
    body = {"dataset_id": job["dataset_id"], "variants": ["mobile_sam"], "task": {"kind": "everything"}, **changes}
    answer = tenant.http.post("/v1/jobs", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def test_progress_is_reported_while_a_job_runs(api: Api, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder, images=12)
    plan(api, job, shard_size=4)
    run_id = job["runs"][0]["id"]
    first, second = claim_next(api, run_id), claim_next(api, run_id)
    assert first is not None
    assert second is not None
    with transaction(api.engine) as session:
        assert renew(session, second.shard_id, second.token, 3, LEASE)
    record_shard(api, first, every_second_fails)
    job = tenant.http.get(f"/v1/jobs/{job['id']}").json()
    assert (job["state"], job["counts"]) == ("running", {"total": 12, "succeeded": 2, "failed": 2, "in_progress": 3})
    assert job["progress"] == pytest.approx(7 / 12)
    assert job["images_per_second"] > 0
    assert job["eta_seconds"] == pytest.approx(5 / job["images_per_second"])
    assert job["runs"][0]["masks"] == 4
    assert job["runs"][0]["hardware"] == []


def test_a_finished_job_lists_its_errors(api: Api, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder, images=5)
    carry_out(api, job, every_second_fails)
    path = f"/v1/jobs/{job['id']}"
    job = tenant.http.get(path).json()
    assert (job["state"], job["progress"], job["eta_seconds"]) == ("completed_with_errors", 1.0, None)
    assert job["counts"] == {"total": 5, "succeeded": 3, "failed": 2, "in_progress": 0}
    (run,) = job["runs"]
    assert run["quality"] == {"miou": 0.75, "instances": 6}
    assert [one["device_name"] for one in run["hardware"]] == ["A CPU"]
    first = tenant.http.get(f"{path}/errors", params={"limit": 1}).json()
    second = tenant.http.get(f"{path}/errors", params={"limit": 1, "cursor": first["next"]}).json()
    assert first["items"] + second["items"] == [
        {
            "run_id": run["id"],
            "image_id": image_id,
            "file_name": f"{image_id - 1}.png",
            "code": "image_truncated",
            "message": "the file ends early",
            "stage": "preprocess",
        }
        for image_id in (2, 4)
    ]
    assert second["next"] is None


def test_cancelling_keeps_recorded_results(api: Api, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder, images=8)
    plan(api, job)
    claimed = claim_next(api, job["runs"][0]["id"])
    assert claimed is not None
    record_shard(api, claimed)
    answer = tenant.http.post(f"/v1/jobs/{job['id']}/cancel")
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    assert answer.json()["counts"]["succeeded"] == len(claimed.images)
    assert answer.json()["eta_seconds"] is None
    assert tenant.http.post(f"/v1/jobs/{job['id']}/cancel").json() == answer.json()


def test_a_finished_job_cannot_be_cancelled(api: Api, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder, images=1)
    carry_out(api, job)
    answer = tenant.http.post(f"/v1/jobs/{job['id']}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "job_finished")


def test_jobs_are_listed_newest_first_and_by_state(tenant: Tenant, folder: Path) -> None:
    first = new_job(tenant, folder, images=1)
    second = new_job(tenant, folder, images=1)
    tenant.http.post(f"/v1/jobs/{first['id']}/cancel")
    page = tenant.http.get("/v1/jobs", params={"limit": 1}).json()
    rest = tenant.http.get("/v1/jobs", params={"limit": 1, "cursor": page["next"]}).json()
    assert [item["id"] for item in page["items"] + rest["items"]] == [second["id"], first["id"]]
    assert rest["next"] is None
    cancelled = tenant.http.get("/v1/jobs", params={"state": "cancelled"}).json()["items"]
    assert [item["id"] for item in cancelled] == [first["id"]]


def test_jobs_are_found_by_part_of_their_name(tenant: Tenant, folder: Path) -> None:
    for name in ("Shelves, 50 % off", "shelves again", "windows", None):
        new_job(tenant, folder, name=name)

    def found(part: str) -> list[str]:
        return [job["name"] for job in tenant.http.get("/v1/jobs", params={"name": part}).json()["items"]]

    assert found("SHELVES") == ["shelves again", "Shelves, 50 % off"]
    assert found("%") == ["Shelves, 50 % off"]  # not a pattern
    assert found("_") == []
    assert tenant.http.get("/v1/jobs", params={"name": "x" * 201}).status_code == 422


def test_a_job_names_its_dataset_and_describes_its_task(tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder)
    assert job["dataset_name"] == tenant.http.get(f"/v1/datasets/{job['dataset_id']}").json()["name"]
    assert job["task_in_words"].startswith("everything")


def test_a_job_is_paused_and_resumed(api: Api, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder, images=8)
    plan(api, job)
    claimed = claim_next(api, job["runs"][0]["id"])
    assert claimed is not None
    record_shard(api, claimed)
    for _ in range(2):
        paused = tenant.http.post(f"/v1/jobs/{job['id']}/pause").json()
        assert (paused["state"], paused["runs"][0]["state"], paused["eta_seconds"]) == ("paused", "paused", None)
    assert paused["stalled"] is None
    assert claim_next(api, job["runs"][0]["id"]) is None
    listed = tenant.http.get("/v1/jobs", params={"state": "paused"}).json()["items"]
    assert [one["id"] for one in listed] == [job["id"]]
    for _ in range(2):
        assert tenant.http.post(f"/v1/jobs/{job['id']}/resume").json()["state"] == "running"
    tenant.http.post(f"/v1/jobs/{job['id']}/cancel")
    for change in ("pause", "resume"):
        answer = tenant.http.post(f"/v1/jobs/{job['id']}/{change}")
        assert (answer.status_code, answer.json()["code"]) == (409, "job_finished")


def test_the_priority_of_a_job_is_changed_until_it_ends(api: Api, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder, priority=7)
    address = f"/v1/jobs/{job['id']}"
    assert (job["priority"], new_job(tenant, folder)["priority"]) == (7, 5)
    for _ in range(2):
        assert tenant.http.patch(address, json={"priority": 0}).json()["priority"] == 0
    with read_only(api.engine) as session:
        of_job = select(JobEvent.detail).where(JobEvent.job_id == uuid.UUID(job["id"]), JobEvent.detail.is_not(None))
        assert session.scalars(of_job).all() == ["changed priority from 7 to 0"]
    for wrong in ({"priority": 10}, {"priority": -1}, {"priority": 2.5}, {"priority": None}):
        answer = tenant.http.patch(address, json=wrong)
        assert (answer.status_code, answer.json()["code"]) == (422, "payload_invalid")
    tenant.http.post(f"{address}/cancel")
    refused = tenant.http.patch(address, json={"priority": 9})
    assert (refused.status_code, refused.json()["code"]) == (409, "job_finished")
    assert tenant.http.patch(f"/v1/jobs/{uuid.uuid4()}", json={"priority": 9}).status_code == 404


def test_the_events_of_a_job_name_the_key_that_asked(api: Api, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder)
    tenant.http.post(f"/v1/jobs/{job['id']}/pause")
    with read_only(api.engine) as session:
        events = session.scalars(select(JobEvent).where(JobEvent.job_id == uuid.UUID(job["id"])).order_by(JobEvent.id))
        actors = {event.actor for event in events}
        keys = session.scalars(select(ApiKey.id).where(ApiKey.tenant_id == tenant.id)).all()
    assert len(keys) == 1
    assert actors == {f"key:{key}" for key in keys}


def test_failed_images_are_retried(api: Api, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder, images=5)
    carry_out(api, job, every_second_fails)
    address = f"/v1/jobs/{job['id']}"
    again = tenant.http.post(f"{address}/retry").json()
    assert (again["state"], again["finished_at"], again["error"]) == ("running", None, None)
    assert again["counts"] == {"total": 5, "succeeded": 3, "failed": 2, "in_progress": 0}
    refused = tenant.http.post(f"{address}/retry")
    assert (refused.status_code, refused.json()["code"]) == (409, "job_not_retryable")
    run_id = job["runs"][0]["id"]
    with transaction(api.engine) as session:
        dispatch_run(session, api.queue, uuid.UUID(run_id), 100)
    while (claimed := claim_next(api, run_id)) is not None:
        record_shard(api, claimed)
    finish_run(api.engine, api.store, uuid.UUID(run_id))
    ended = tenant.http.get(address).json()
    assert (ended["state"], ended["counts"]["succeeded"]) == ("completed", 5)
    assert tenant.http.get(f"{address}/errors").json()["items"] == []
    results = tenant.http.get(f"/v1/runs/{run_id}/results", params={"format": "instances"}).json()
    assert [image["id"] for image in results["images"]] == [1, 2, 3, 4, 5]


def test_a_job_runs_again_with_changed_fields(tenant: Tenant, folder: Path) -> None:
    task = {"kind": "everything", "points_per_side": 8}
    first = new_job(tenant, folder, pools=["other"], task=task, name="shelves", evaluate=False)
    body = {"rerun_of": first["id"], "variants": ["repvit_sam", "mobile_sam"]}
    answer = tenant.http.post("/v1/jobs", json=body)
    again = answer.json()
    assert (answer.status_code, again["parent_id"], first["parent_id"]) == (202, first["id"], None)
    assert {(run["variant"], run["pool"]) for run in again["runs"]} == {
        ("mobile_sam", "other"),
        ("repvit_sam", "other"),
    }
    for field in ("dataset_id", "task", "name", "evaluate"):
        assert again[field] == first[field]
    keyed = [
        tenant.http.post("/v1/jobs", json={"rerun_of": parent}, headers={"Idempotency-Key": "again"})
        for parent in (first["id"], first["id"], again["id"])
    ]
    assert [answer.status_code for answer in keyed] == [202, 200, 409]


def test_a_rerun_needs_a_job_of_the_tenant(tenant: Tenant) -> None:
    answer = tenant.http.post("/v1/jobs", json={"rerun_of": str(uuid.uuid4())})
    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")
    answer = tenant.http.post("/v1/jobs", json={"variants": ["mobile_sam"]})
    assert (answer.status_code, answer.json()["code"]) == (422, "payload_invalid")
    assert "dataset_id, task required" in answer.json()["errors"][0]["message"]
