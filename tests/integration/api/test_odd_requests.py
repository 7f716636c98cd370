"""Requests that our clients never send: the server refuses them and never replies with 500."""

from __future__ import annotations

import base64
import json
import uuid
from pathlib import Path

import httpx
import pytest

from fixtures.api.running_api import Api, Tenant
from fixtures.worker.recorded_jobs import new_job

NUL = "%00"
HARDWARE = f"/v1/hardware/{uuid.UUID(int=0)}/price"


def cursor(*parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


CURSORS = [
    cursor("9" * 30),
    cursor(True),
    cursor(float("nan")),
    cursor(float("inf")),
    cursor(-1),
    cursor(2**63),
    cursor("position", True),
    cursor("position", "9" * 30),
    cursor("2026-11-22T00:00:00", str(uuid.UUID(int=0))),
    cursor("0001-01-01T00:00:00+23:59", "x"),
    cursor(str(uuid.UUID(int=0)), "9" * 30),
    cursor(str(uuid.UUID(int=0)), True),
    cursor("\x00", "\x00"),
    cursor("\ud800", 1),
]


@pytest.mark.parametrize("text", CURSORS)
def test_forged_cursors_are_refused(tenant: Tenant, folder: Path, text: str) -> None:
    job = new_job(tenant, folder)
    paths = (
        "/v1/jobs",
        "/v1/datasets",
        f"/v1/jobs/{job['id']}/errors",
        f"/v1/datasets/{job['dataset_id']}/images",
        f"/v1/runs/{job['runs'][0]['id']}/images",
    )
    for path in paths:
        answer = tenant.http.get(path, params={"cursor": text})
        assert (answer.status_code, answer.json()["code"]) == (422, "cursor_invalid"), path


@pytest.mark.parametrize("name", ["variant", "precision", "pool", "dataset", "site"])
@pytest.mark.parametrize("report", ["latency", "throughput", "quality", "pareto", "cost"])
def test_filters_with_nul_are_refused(tenant: Tenant, report: str, name: str) -> None:
    answer = tenant.http.get(f"/v1/reports/{report}?{name}=a{NUL}b")
    assert (answer.status_code, answer.json()["code"]) == (422, "payload_invalid")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", f"/v1/sites/{NUL}"),
        ("GET", f"/v1/variants/{NUL}"),
        ("GET", f"/v1/reports/compare?by=variant&a={NUL}&b=x"),
        ("GET", f"/v1/reports/compare?by=variant&a=x&b={NUL}"),
        ("GET", "/v1/reports/latency?since=5"),
        ("GET", "/v1/reports/latency?until=2026-11-22"),
        ("GET", "/v1/reports/latency?until=9999-99-99T00:00:00Z"),
        ("GET", f"/v1/runs/{uuid.UUID(int=0)}/images/{'9' * 30}"),
    ],
)
def test_paths_and_parameters_are_checked(tenant: Tenant, method: str, path: str) -> None:
    answer = tenant.http.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (422, "payload_invalid")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", HARDWARE, '{"per_hour": 1e999}'),
        ("PUT", HARDWARE, '{"per_hour": NaN}'),
        ("PUT", HARDWARE, '{"per_hour": -Infinity}'),
        ("PUT", HARDWARE, '{"per_hour": "1e-400"}'),
        ("PUT", HARDWARE, '{"per_hour": true}'),
        ("POST", "/v1/datasets", '{"source": "upload", "name": "\\ud800"}'),
        ("POST", "/v1/datasets", '{"source": "upload", "name": "a\\u0000b"}'),
        ("POST", "/v1/datasets", '{"source": "directory", "directory": "/", "limit": 1' + "0" * 30 + "}"),
        ("POST", "/v1/datasets", '{"source": "directory", "directory": "/", "limit": "5"}'),
        ("POST", "/v1/jobs", '{"task": {"kind": "everything", "pred_iou_thresh": 1e999}}'),
    ],
)
def test_numbers_and_strings_in_bodies_are_checked(tenant: Tenant, method: str, path: str, body: str) -> None:
    answer = tenant.http.request(method, path, content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (422, "payload_invalid")


@pytest.mark.parametrize("task", ['{"kind": "\\ud800"}', '{"kind": "everything", "\\ud800": 1}', '{"kind": "\\u0000"}'])
def test_errors_can_quote_text_that_cannot_be_encoded(tenant: Tenant, folder: Path, task: str) -> None:
    dataset = new_job(tenant, folder)["dataset_id"]
    body = f'{{"dataset_id": "{dataset}", "variants": ["mobile_sam"], "task": {task}}}'
    answer = tenant.http.post("/v1/jobs", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (422, "task_invalid")
    answer.text.encode()


@pytest.mark.parametrize("share", ['"1e-400"', '"0.5"', "true"])
def test_a_share_must_be_a_number(tenant: Tenant, folder: Path, share: str) -> None:
    dataset = new_job(tenant, folder)["dataset_id"]
    task = '{"kind": "everything"}'
    body = f'{{"dataset_id": "{dataset}", "variants": ["mobile_sam"], "task": {task}, "max_failure_rate": {share}}}'
    answer = tenant.http.post("/v1/jobs", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (422, "payload_invalid")


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v1/jobs", {"GET", "POST"}),
        ("/v1/datasets", {"GET", "POST"}),
        (f"/v1/datasets/{uuid.UUID(int=0)}/images", {"GET", "POST"}),
        (f"/v1/runs/{uuid.UUID(int=0)}/results", {"GET", "HEAD"}),
    ],
)
def test_allow_names_every_method_of_the_path(api: Api, path: str, methods: set[str]) -> None:
    answer = httpx.patch(api.url + path)
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) >= methods


def test_responses_forbid_sniffing_and_caching(api: Api, tenant: Tenant) -> None:
    for answer in (tenant.http.get("/v1/jobs"), httpx.get(f"{api.url}/v1/jobs"), tenant.http.get("/v1/nowhere")):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Server" not in answer.headers
    assert httpx.get(f"{api.url}/healthz").headers["X-Content-Type-Options"] == "nosniff"


def test_every_reference_in_the_openapi_document_resolves(api: Api) -> None:
    document = json.loads(json.dumps(api.app.openapi()))
    schemas = document["components"]["schemas"]
    references = [part.split('"')[0] for part in json.dumps(document).split('"$ref": "')[1:]]
    assert references
    for reference in references:
        prefix, _, name = reference.rpartition("/")
        assert prefix == "#/components/schemas"
        assert name in schemas
