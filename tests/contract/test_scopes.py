"""Every route states its scope, refuses keys without it, and finds nothing of another tenant."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fixtures.api.running_api import Api, new_tenant
from fixtures.worker.recorded_jobs import carry_out, new_job
from samfleet.db.models import Scope
from samfleet_api.dependencies import SCOPE_EXTENSION

IMAGE = {"files": ("a.png", b"x", "image/png")}
# Valid requests, where an empty one would be refused before anything is looked up.
REQUESTS: dict[str, dict[str, Any]] = {
    "dataset_add_images": {"files": IMAGE},
    "dataset_put_annotations": {"json": {"images": [], "annotations": []}},
    "dataset_put_detections": {"json": []},
    "dataset_update": {"json": {"notes": "mine"}},
    "job_update": {"json": {"notes": "mine"}},
    "webhook_update": {"json": {"enabled": False}},
    "webhook_replay": {"json": {"since": "2026-01-01T00:00:00Z"}},
}
ADMIN_ROUTES = {
    "audit_list", "key_create", "key_list", "key_revoke", "storage_list_tenants", "tenant_create", "tenant_disable",
    "tenant_enable", "tenant_list", "tenant_read", "tenant_update",
}  # fmt: skip
READING_POSTS = {"key_create_login_link"}


def operations(api: Api) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield (method, path, operation) of every route that needs a key."""
    for path, methods in api.app.openapi()["paths"].items():
        for method, operation in methods.items():
            if path.startswith("/v1/"):
                yield method.upper(), path, operation


@pytest.fixture(scope="module")
def clients(api: Api, api_database: str) -> Iterator[dict[Scope, httpx.Client]]:
    """Keys of one tenant, one for each scope."""
    with new_tenant(api, api_database, admin=True) as admin:
        keys = {
            scope: admin.http.post("/v1/keys", json={"name": scope.value, "scope": scope.value}).json()
            for scope in Scope
        }
        found = {
            scope: httpx.Client(base_url=api.url, headers={"Authorization": f"Bearer {key['key']}"}, timeout=30)
            for scope, key in keys.items()
        }
        yield found
        for client in found.values():
            client.close()


@pytest.fixture(scope="module")
def owned(api: Api, api_database: str) -> Iterator[dict[str, str]]:
    """Ids of another tenant's objects, by the names of path parameters."""
    folder: Path = api.root / uuid.uuid4().hex
    folder.mkdir()
    with new_tenant(api, api_database) as tenant:
        job = new_job(tenant, folder)
        carry_out(api, job)
        webhook = tenant.http.post(
            "/v1/webhooks", json={"url": "https://example.com/", "events": ["job.failed"]}
        ).json()
        sent = tenant.http.post(f"/v1/webhooks/{webhook['id']}/test").json()
        yield {
            "dataset_id": job["dataset_id"],
            "job_id": job["id"],
            "run_id": job["runs"][0]["id"],
            "image_id": "1",
            "webhook_id": webhook["id"],
            "delivery_id": sent["id"],
        }
        tenant.http.delete(f"/v1/webhooks/{webhook['id']}")


def test_every_route_states_its_scope(api: Api) -> None:
    stated = {operation["operationId"]: operation[SCOPE_EXTENSION] for _, _, operation in operations(api)}
    assert {name for name, scope in stated.items() if scope == "admin"} == ADMIN_ROUTES
    for method, _, operation in operations(api):
        name = operation["operationId"]
        if name not in ADMIN_ROUTES:
            reads = method == "GET" or name in READING_POSTS
            assert stated[name] == ("read" if reads else "submit"), name


@pytest.mark.parametrize("scope", [Scope.READ, Scope.SUBMIT])
def test_a_key_without_the_scope_of_a_route_is_refused(
    api: Api, clients: dict[Scope, httpx.Client], scope: Scope
) -> None:
    """Paths name objects that do not exist, so that nothing is changed."""
    codes = {Scope.SUBMIT: "scope_required", Scope.ADMIN: "admin_required"}
    refused = 0
    for method, path, operation in operations(api):
        needed = Scope(operation[SCOPE_EXTENSION])
        if scope.covers(needed):
            continue
        unknown = path.replace("{image_id}", "1").replace("{name}", "nobody")
        for parameter in ("dataset_id", "job_id", "run_id", "webhook_id", "delivery_id", "key_id", "hardware_id"):
            unknown = unknown.replace(f"{{{parameter}}}", str(uuid.uuid4()))
        answer = clients[scope].request(method, unknown, **REQUESTS.get(operation["operationId"], {}))
        assert (answer.status_code, answer.json()["code"]) == (403, codes[needed]), f"{method} {path}"
        refused += 1
    assert refused >= len(ADMIN_ROUTES) + (15 if scope is Scope.READ else 0)


@pytest.mark.parametrize("scope", list(Scope))
def test_no_scope_opens_what_another_tenant_owns(
    api: Api, clients: dict[Scope, httpx.Client], owned: dict[str, str], scope: Scope
) -> None:
    tried = 0
    for method, path, operation in operations(api):
        names = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "path"}
        if not names or not names <= owned.keys():
            continue
        answer = clients[scope].request(method, path.format_map(owned), **REQUESTS.get(operation["operationId"], {}))
        wanted = 404 if scope.covers(Scope(operation[SCOPE_EXTENSION])) else 403
        assert answer.status_code == wanted, f"{method} {path}: {answer.status_code} {answer.text}"
        tried += 1
    assert tried > 20


def test_a_job_over_a_foreign_dataset_is_not_found(clients: dict[Scope, httpx.Client], owned: dict[str, str]) -> None:
    body = {"dataset_id": owned["dataset_id"], "variants": ["mobile_sam"], "task": {"kind": "everything"}}
    for scope, status in ((Scope.READ, 403), (Scope.SUBMIT, 404), (Scope.ADMIN, 404)):
        assert clients[scope].post("/v1/jobs", json=body).status_code == status


def test_a_key_that_may_only_read_reads(clients: dict[Scope, httpx.Client]) -> None:
    for path in ("/v1/jobs", "/v1/datasets", "/v1/webhooks", "/v1/variants", "/v1/pools"):
        assert clients[Scope.READ].get(path).status_code == 200
    assert clients[Scope.READ].post("/v1/login-links").status_code == 201
