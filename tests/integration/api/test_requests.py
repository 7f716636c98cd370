from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from fixtures.api.running_api import Api, Parts, Tenant, api_settings, serve
from fixtures.worker.recorded_jobs import new_job
from samfleet_api.app import create_app


@pytest.fixture
def crashing(api: Api, tmp_path: Path) -> Iterator[str]:
    """A server with two additional routes that raise unforeseen errors."""
    app: FastAPI = create_app(api_settings(tmp_path), parts=Parts(api.engine, api.store))

    def crash() -> None:
        raise RuntimeError("secret internals")

    def halfway() -> StreamingResponse:
        def chunks() -> Iterator[bytes]:
            yield b"first"
            raise RuntimeError("secret internals")

        return StreamingResponse(chunks())

    app.get("/crash")(crash)
    app.get("/halfway")(halfway)
    with serve(app) as url:
        yield url


def test_a_crash_shows_no_internals_and_is_logged_with_its_request(
    crashing: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = httpx.get(f"{crashing}/crash", headers={"X-Request-ID": "my-request"})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-Request-ID"] == "my-request"
    assert "my-request" in answer.json()["detail"]
    assert "secret" not in answer.text
    records = [record for record in caplog.records if "request.crashed" in str(record.msg)]
    assert len(records) == 1


def test_a_broken_stream_ends_visibly_incomplete(crashing: str) -> None:
    with pytest.raises(httpx.RemoteProtocolError), httpx.stream("GET", f"{crashing}/halfway") as answer:
        answer.read()


def test_every_response_has_a_request_id(api: Api) -> None:
    assert len(httpx.get(f"{api.url}/healthz").headers["X-Request-ID"]) == 32
    given = {"X-Request-ID": "abc-1.2_3"}
    assert httpx.get(f"{api.url}/nowhere", headers=given).headers["X-Request-ID"] == "abc-1.2_3"
    bad = httpx.get(f"{api.url}/healthz", headers={"X-Request-ID": "a b\tc"})
    assert len(bad.headers["X-Request-ID"]) == 32


def logged(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    lines: list[dict[str, object]] = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    return [line for line in lines if line["event"] == "request.finished"]


def test_a_request_is_logged_once(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        httpx.get(f"{api.url}/nowhere", headers={"X-Request-ID": "logged"})
        deadline = time.monotonic() + 20  # the log line follows the response
        while not logged(caplog) and time.monotonic() < deadline:
            time.sleep(0.01)
    (line,) = logged(caplog)
    assert (line["method"], line["path"], line["status"], line["correlation_id"]) == ("GET", "/nowhere", 404, "logged")


def test_successful_health_probes_are_not_logged(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        httpx.get(f"{api.url}/healthz")
    assert logged(caplog) == []


def test_json_bodies_are_limited_for_every_client(api: Api, tenant: Tenant) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(20):
            yield b" " * 2**16

    keys: tuple[dict[str, str], ...] = ({}, {"Authorization": f"Bearer {tenant.key}"})
    for headers in keys:
        answer = httpx.post(
            f"{api.url}/v1/jobs", content=chunks(), headers={**headers, "Content-Type": "application/json"}
        )
        assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


@pytest.mark.parametrize("content", [b"{", b"[" * 200_000, b"\xff", b'"text"', b"", b'{"dataset_id": NaN}'])
def test_bodies_other_than_a_json_object_are_refused(tenant: Tenant, content: bytes) -> None:
    answer = tenant.http.post("/v1/jobs", content=content, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (422, "payload_invalid")


def test_validation_errors_name_their_location(tenant: Tenant) -> None:
    answer = tenant.http.post("/v1/jobs", json={"dataset_id": "x", "variants": [], "task": {}}).json()
    assert {"body", "dataset_id"} == set(answer["errors"][0]["location"])
    assert answer["detail"].startswith("body.dataset_id: ")
    assert "(and 1 more)" in answer["detail"]
    assert json.dumps(answer)


def test_revoked_and_unknown_keys_are_refused(api: Api, tenant: Tenant) -> None:
    from samfleet.db.keys import hash_key
    from samfleet.db.models import ApiKey
    from samfleet.db.session import transaction

    assert tenant.http.get("/v1/jobs").status_code == 200
    with transaction(api.engine) as session:
        session.query(ApiKey).filter_by(key_sha256=hash_key(tenant.key)).update({"revoked_at": "now()"})
    for headers in ({}, {"Authorization": f"Bearer {tenant.key}"}, {"Authorization": "Basic eDp5"}):
        answer = httpx.get(f"{api.url}/v1/jobs", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_the_key_is_checked_before_an_upload_is_read(api: Api) -> None:
    path = "/v1/datasets/5f0c0a52-9b0e-4a71-8d5a-0d2f6f0a1c11"
    assert httpx.put(f"{api.url}{path}/annotations", content=b"not json").status_code == 401
    assert httpx.post(f"{api.url}{path}/images", files={"files": b""}).status_code == 401


def test_tenants_see_nothing_of_each_other(tenant: Tenant, other_tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder, images=1)
    run_id, dataset_id = job["runs"][0]["id"], job["dataset_id"]
    upload = tenant.http.post("/v1/datasets", json={"source": "upload"}).json()["id"]
    for method, path in [
        ("GET", f"/v1/datasets/{dataset_id}"),
        ("GET", f"/v1/datasets/{dataset_id}/images"),
        ("POST", f"/v1/datasets/{upload}/seal"),
        ("GET", f"/v1/jobs/{job['id']}"),
        ("GET", f"/v1/jobs/{job['id']}/errors"),
        ("POST", f"/v1/jobs/{job['id']}/cancel"),
        ("GET", f"/v1/runs/{run_id}"),
        ("GET", f"/v1/runs/{run_id}/results"),
        ("HEAD", f"/v1/runs/{run_id}/results"),
        ("GET", f"/v1/runs/{run_id}/images/1"),
        ("GET", f"/v1/runs/{run_id}/images/1/overlay.png"),
        ("GET", f"/v1/runs/{run_id}/images/1/picture"),
        ("GET", f"/v1/runs/{run_id}/images/1/annotations"),
        ("GET", f"/v1/runs/{run_id}/images/1/neighbours"),
    ]:
        assert other_tenant.http.request(method, path).status_code == 404, path
    files = {"files": ("a.jpg", b"x")}
    assert other_tenant.http.post(f"/v1/datasets/{upload}/images", files=files).status_code == 404
    content = b'{"images": [], "annotations": []}'
    assert other_tenant.http.put(f"/v1/datasets/{upload}/annotations", content=content).status_code == 404
    body = {"dataset_id": dataset_id, "variants": ["mobile_sam"], "task": {"kind": "everything"}}
    assert other_tenant.http.post("/v1/jobs", json=body).json()["code"] == "dataset_not_found"
    assert other_tenant.http.get("/v1/jobs").json()["items"] == []
    assert other_tenant.http.get("/v1/datasets").json()["items"] == []
    assert tenant.http.get(f"/v1/jobs/{job['id']}").json()["state"] == "queued"
