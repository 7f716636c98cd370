"""Exports over HTTP: requests, lists, downloads that continue, deletion, and what may not be seen."""

from __future__ import annotations

import hashlib
import json
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from fixtures.api.running_api import Api, Tenant
from fixtures.worker.recorded_jobs import carry_out, claim_next, new_job, plan, record_shard
from samfleet.db.session import transaction
from samfleet.exports.build import build_export
from samfleet.jobs.dispatch import dispatch_run
from samfleet.jobs.finish import finish_run
from samfleet.jobs.purge import remove_job
from samfleet.storage.store import ObjectNotFound, StorageUnavailable


def requested(tenant: Tenant, run_path: str, form: str = "instances", **fields: Any) -> httpx.Response:
    return tenant.http.post(f"{run_path}/exports", json={"format": form, **fields})


def build(api: Api, export_id: str) -> None:
    build_export(api.engine, api.store, uuid.UUID(export_id), 1000)


@pytest.fixture
def built(api: Api, tenant: Tenant, run_path: str) -> dict[str, Any]:
    """A completed export, as the API shows it."""
    export_id = requested(tenant, run_path).json()["id"]
    build(api, export_id)
    export: dict[str, Any] = tenant.http.get(f"/v1/exports/{export_id}").json()
    return export


def test_an_export_is_requested_followed_and_downloaded(api: Api, tenant: Tenant, run_path: str) -> None:
    answer = requested(tenant, run_path, options={"min_score": 0.5})
    assert answer.status_code == 202
    export = answer.json()
    assert answer.headers["Location"] == f"/v1/exports/{export['id']}"
    assert (export["state"], export["progress"], export["bytes"]) == ("queued", 0.0, None)
    assert (export["options"]["min_score"], export["options"]["category_name"]) == (0.5, "object")
    early = tenant.http.get(f"/v1/exports/{export['id']}/file")
    assert (early.status_code, early.json()["code"]) == (409, "export_not_completed")
    assert [task.args for task in api.queue.sent if task.task == "exports.build"][-1] == (export["id"],)
    build(api, export["id"])
    done = tenant.http.get(f"/v1/exports/{export['id'][:8]}").json()
    assert (done["state"], done["outdated"], done["error"]) == ("completed", False, None)
    file = tenant.http.get(f"/v1/exports/{export['id']}/file")
    assert (file.status_code, len(file.content)) == (200, done["bytes"])
    assert hashlib.sha256(file.content).hexdigest() == done["sha256"]
    assert file.headers["ETag"] == f'"{done["sha256"]}"'
    assert file.headers["Content-Type"] == "application/json"
    assert file.headers["Content-Disposition"] == f'attachment; filename="{done["file_name"]}"'
    assert [image["id"] for image in file.json()["images"]] == [1, 3, 4]
    head = tenant.http.head(f"/v1/exports/{export['id']}/file")
    assert (head.status_code, head.content, head.headers["Content-Length"]) == (200, b"", str(done["bytes"]))


def test_an_equal_request_returns_the_same_export(tenant: Tenant, run_path: str) -> None:
    first, second = (requested(tenant, run_path, options=options) for options in ({}, {"min_area": 0}))
    assert (first.status_code, second.status_code) == (202, 200)
    assert first.json() == second.json()
    kept = requested(tenant, run_path, keep_days=3).json()
    assert (kept["id"], kept["keep_days"]) == (first.json()["id"], 3)
    others = [requested(tenant, run_path, "coco"), requested(tenant, run_path, options={"min_area": 1})]
    assert {other.status_code for other in others} == {202}
    listed = tenant.http.get(f"{run_path}/exports").json()
    assert [one["id"] for one in listed["items"]] == [others[1].json()["id"], others[0].json()["id"], kept["id"]]
    page = tenant.http.get(f"{run_path}/exports", params={"limit": 2}).json()
    rest = tenant.http.get(f"{run_path}/exports", params={"limit": 2, "cursor": page["next"]}).json()
    assert [*page["items"], *rest["items"]] == listed["items"]
    assert rest["next"] is None


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"format": "bmp"}, 422, "export_format_unknown"),
        ({}, 422, "payload_invalid"),
        ({"format": "coco", "options": {"colour": "red"}}, 422, "payload_invalid"),
        ({"format": "coco", "options": {"tolerance": -0.1}}, 422, "payload_invalid"),
        ({"format": "coco", "options": {"tolerance": "1"}}, 422, "payload_invalid"),
        ({"format": "coco", "options": {"min_area": 1.5}}, 422, "payload_invalid"),
        ({"format": "coco", "options": {"min_area": -1}}, 422, "payload_invalid"),
        ({"format": "coco", "options": {"min_score": 1.01}}, 422, "payload_invalid"),
        ({"format": "coco", "options": {"category_name": ""}}, 422, "payload_invalid"),
        ({"format": "coco", "options": {"category_name": "a\x00b"}}, 422, "payload_invalid"),
        ({"format": "coco", "options": {"one_class": 1}}, 422, "payload_invalid"),
        ({"format": "coco", "keep_days": 0}, 422, "payload_invalid"),
    ],
)
def test_a_wrong_request_is_refused(tenant: Tenant, run_path: str, body: Any, status: int, code: str) -> None:
    answer = tenant.http.post(f"{run_path}/exports", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    if code == "export_format_unknown":
        assert "coco" in answer.json()["detail"]
        assert "'bmp'" in answer.json()["detail"]
    assert tenant.http.get(f"{run_path}/exports").json()["items"] == []


def test_a_run_is_exported_only_when_it_has_ended(api: Api, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder)
    path = f"/v1/runs/{job['runs'][0]['id']}"
    plan(api, job)
    refused = requested(tenant, path)
    assert (refused.status_code, refused.json()["code"]) == (409, "run_not_ended")
    tenant.http.post(f"/v1/jobs/{job['id']}/cancel").raise_for_status()
    export = requested(tenant, path, "coco").json()  # of what was recorded before, here nothing
    build(api, export["id"])
    assert tenant.http.get(f"/v1/exports/{export['id']}/file").json() == []


def test_a_retry_outdates_an_export_and_the_next_request_builds_another(
    api: Api, tenant: Tenant, run_path: str, built: dict[str, Any]
) -> None:
    tenant.http.post(f"/v1/jobs/{built['job_id']}/retry").raise_for_status()
    refused = requested(tenant, run_path)
    assert (refused.status_code, refused.json()["code"]) == (409, "run_not_ended")
    run_id = uuid.UUID(run_path.rpartition("/")[2])
    with transaction(api.engine) as session:
        dispatch_run(session, api.queue, run_id, 100)
    claimed = claim_next(api, str(run_id))
    assert claimed is not None
    record_shard(api, claimed)
    finish_run(api.engine, api.store, run_id)
    assert tenant.http.get(f"/v1/exports/{built['id']}").json()["outdated"] is True
    assert tenant.http.get(f"/v1/exports/{built['id']}/file").status_code == 200  # it is what it was
    again = requested(tenant, run_path)
    assert again.status_code == 202
    build(api, again.json()["id"])
    states = {one["id"]: one["outdated"] for one in tenant.http.get(f"{run_path}/exports").json()["items"]}
    assert states == {built["id"]: True, again.json()["id"]: False}
    images = tenant.http.get(f"/v1/exports/{again.json()['id']}/file").json()["images"]
    assert [image["id"] for image in images] == [1, 2, 3, 4]


def test_a_download_continues_where_it_stopped(tenant: Tenant, built: dict[str, Any]) -> None:
    path, size, tag = f"/v1/exports/{built['id']}/file", built["bytes"], f'"{built["sha256"]}"'
    whole = tenant.http.get(path).content
    for header, expected in (
        ("bytes=0-", whole),
        ("bytes=10-", whole[10:]),
        (f"bytes={size - 1}-", whole[-1:]),
        ("bytes=5-6", whole[5:7]),
        ("bytes=-7", whole[-7:]),
    ):
        part = tenant.http.get(path, headers={"Range": header, "If-Range": tag})
        assert (part.status_code, part.content) == (206, expected), header
        assert part.headers["Content-Range"].endswith(f"/{size}")
        assert part.headers["Content-Length"] == str(len(expected))
        assert part.headers["ETag"] == tag
    other = tenant.http.get(path, headers={"Range": "bytes=10-", "If-Range": '"of another file"'})
    assert (other.status_code, other.content) == (200, whole)
    beyond = tenant.http.get(path, headers={"Range": f"bytes={size}-"})
    assert (beyond.status_code, beyond.json()["code"]) == (416, "range_not_satisfiable")
    assert beyond.headers["Content-Range"] == f"bytes */{size}"
    unchanged = tenant.http.get(path, headers={"If-None-Match": tag})
    assert (unchanged.status_code, unchanged.content, unchanged.headers["ETag"]) == (304, b"", tag)


def test_a_deleted_export_is_gone_with_its_file(api: Api, tenant: Tenant, run_path: str, built: dict[str, Any]) -> None:
    before = tenant.http.get("/v1/storage").json()["exports"]
    assert before == {"bytes": built["bytes"], "objects": 1, "rows": 0}
    assert tenant.http.get(f"/v1/jobs/{built['job_id']}/storage").json()["exports"] == before
    assert tenant.http.delete(f"/v1/exports/{built['id']}").status_code == 204
    assert not list(api.store.list(f"{run_path.removeprefix('/v1/')}/exports/"))
    for answer in (
        tenant.http.get(f"/v1/exports/{built['id']}"),
        tenant.http.get(f"/v1/exports/{built['id']}/file"),
        tenant.http.delete(f"/v1/exports/{built['id']}"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "export_not_found")
    assert tenant.http.get("/v1/storage").json()["exports"]["bytes"] == 0
    assert requested(tenant, run_path).status_code == 202


def test_a_deleted_job_takes_its_exports_with_it(
    api: Api, tenant: Tenant, run_path: str, built: dict[str, Any]
) -> None:
    tenant.http.delete(f"/v1/jobs/{built['job_id']}").raise_for_status()
    for answer in (
        tenant.http.get(f"/v1/exports/{built['id']}"),
        tenant.http.get(f"{run_path}/exports"),
        requested(tenant, run_path),
    ):
        assert answer.status_code == 404
    remove_job(api.engine, api.store, uuid.UUID(built["job_id"]), grace=timedelta(0), deadline=float("inf"))
    assert not list(api.store.list(f"{run_path.removeprefix('/v1/')}/"))
    assert tenant.http.get("/v1/storage").json()["exports"]["bytes"] == 0


@pytest.mark.parametrize(
    ("error", "status"), [(StorageUnavailable("away"), 503), (ObjectNotFound("the file is gone"), 404)]
)
def test_a_store_that_fails_is_an_error_and_not_an_empty_file(
    api: Api, tenant: Tenant, built: dict[str, Any], monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(type(api.store), "open", fail)
    answer = tenant.http.get(f"/v1/exports/{built['id']}/file")
    assert answer.status_code == status


def test_the_formats_are_listed_with_their_options(tenant: Tenant) -> None:
    listed = tenant.http.get("/v1/export-formats").json()
    assert {"coco", "instances", "jsonl"} <= {one["name"] for one in listed["items"]}
    assert all(one["description"] and one["media_type"] and one["extension"] for one in listed["items"])
    defaults = {one["name"]: one["default"] for one in listed["options"]}
    assert defaults == {
        "tolerance": 1.0,
        "min_area": 0,
        "min_score": 0.0,
        "category_name": "object",
        "one_class": False,
        "reviewed": "all",
    }
    choices = {one["name"]: one["choices"] for one in listed["options"] if one["choices"]}
    assert choices == {"reviewed": ["all", "accepted", "rejected", "unreviewed"]}


def test_a_run_has_at_most_so_many_exports(
    tenant: Tenant, run_path: str, built: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samfleet.exports.request.MOST_EXPORTS", 1)
    refused = requested(tenant, run_path, "coco")
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_exports")
    assert requested(tenant, run_path).json()["id"] == built["id"]  # no further one


def test_json_lines_have_a_line_for_every_image(api: Api, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder, images=3)
    carry_out(api, job)
    export = requested(tenant, f"/v1/runs/{job['runs'][0]['id']}", "jsonl").json()
    build(api, export["id"])
    lines = tenant.http.get(f"/v1/exports/{export['id']}/file").text.splitlines()
    assert [len(json.loads(line)["masks"]) for line in lines] == [2, 2, 2]
