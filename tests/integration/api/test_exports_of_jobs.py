"""Exports that a job asks for at its submission: requested once for each completed run, and again after a retry."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from fixtures.api.running_api import Api, Tenant
from fixtures.worker.recorded_jobs import carry_out, claim_next, failed, new_job, record_shard, segmented
from samfleet.db.session import transaction
from samfleet.exports.build import build_export
from samfleet.exports.of_jobs import request_due_exports
from samfleet.jobs.dispatch import dispatch_run
from samfleet.jobs.finish import finish_run
from samfleet.jobs.queue import TaskName

WANTED = [{"format": "yolo", "options": {"min_area": 5}}, {"format": "coco", "keep_days": 3}]


def request_due(api: Api, run_id: str | None = None) -> int:
    with transaction(api.engine) as session:
        return request_due_exports(session, api.queue, uuid.UUID(run_id) if run_id else None)


def exports(tenant: Tenant, run_id: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = tenant.http.get(f"/v1/runs/{run_id}/exports").json()["items"]
    return items


def test_the_exports_of_a_job_are_requested_once_for_each_run(api: Api, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder, variants=["mobile_sam", "repvit_sam"], exports=WANTED)
    assert [one["format"] for one in job["exports"]] == ["yolo", "coco"]
    first, second = (run["id"] for run in job["runs"])
    assert request_due(api) == 0  # nothing has ended
    carry_out(api, job)
    assert request_due(api, first) == 2
    assert exports(tenant, second) == []
    assert request_due(api) == 2  # the sweep, after the task that finished the second run died
    assert (request_due(api), request_due(api, first)) == (0, 0)
    requested = [one for run in (first, second) for one in exports(tenant, run)]
    for found in (requested[:2], requested[2:]):
        by_format = {one["format"]: one for one in found}
        assert (by_format["yolo"]["options"]["min_area"], by_format["coco"]["keep_days"]) == (5, 3)
    sent = [task.args[0] for task in api.queue.sent if task.task == TaskName.EXPORT]
    assert [sent.count(one["id"]) for one in requested] == [1, 1, 1, 1]


def test_a_retried_run_builds_its_exports_again(api: Api, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder, exports=WANTED[:1])
    run = job["runs"][0]["id"]
    carry_out(api, job, lambda image: failed(image) if image.image_id == 1 else segmented(image))
    assert request_due(api) == 1
    (export,) = exports(tenant, run)
    build_export(api.engine, api.store, uuid.UUID(export["id"]), 1000)
    tenant.http.post(f"/v1/jobs/{job['id']}/retry").raise_for_status()
    assert request_due(api) == 0
    with transaction(api.engine) as session:
        dispatch_run(session, api.queue, uuid.UUID(run), 100)
    while (claimed := claim_next(api, run)) is not None:
        record_shard(api, claimed)
    finish_run(api.engine, api.store, uuid.UUID(run))
    assert request_due(api) == 1
    newest, old = exports(tenant, run)
    assert (newest["outdated"], old["outdated"], old["state"]) == (False, True, "completed")


def test_a_cancelled_run_builds_none(api: Api, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder, exports=WANTED)
    tenant.http.post(f"/v1/jobs/{job['id']}/cancel").raise_for_status()
    assert request_due(api) == 0


def test_exports_are_checked_at_the_submission_and_taken_over_by_reruns(tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder, exports=WANTED)

    def again(**fields: Any) -> Any:
        return tenant.http.post("/v1/jobs", json={"rerun_of": job["id"], **fields}).json()

    assert again()["exports"] == job["exports"]
    assert again(exports=[])["exports"] == []
    assert again(exports=[{"format": "no_such"}])["code"] == "export_format_unknown"
    assert again(exports=[{"format": "yolo", "options": {"min_area": -1}}])["code"] == "payload_invalid"
    assert again(exports=[{"format": "yolo", "colour": 1}])["code"] == "payload_invalid"
    assert again(exports=[{"format": "yolo"}] * 21)["code"] == "payload_invalid"
