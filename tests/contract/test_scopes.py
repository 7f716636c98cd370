"""Every route states its scope and refuses keys without it; `test_foreign_objects` has what keys of others find."""

from __future__ import annotations

import uuid

import httpx
import pytest

from fixtures.api.running_api import Api
from fixtures.api.tenant_matrix import Owned, clients, owned, routes
from samfleet.db.models import Scope

__all__ = ["clients", "owned"]

ADMIN_ROUTES = {
    "audit_list", "key_create", "key_list", "key_revoke", "storage_list_tenants", "tenant_create", "tenant_disable",
    "tenant_enable", "tenant_list", "tenant_read", "tenant_update",
}  # fmt: skip
READING_POSTS = {"job_estimate", "key_create_login_link"}


def test_every_route_states_its_scope(api: Api) -> None:
    stated = {route.name: route.scope for route in routes(api)}
    assert {name for name, scope in stated.items() if scope == "admin"} == ADMIN_ROUTES
    for route in routes(api):
        if route.name not in ADMIN_ROUTES:
            reads = route.method == "GET" or route.name in READING_POSTS
            assert route.scope == ("read" if reads else "submit"), route.name


@pytest.mark.parametrize("scope", [Scope.READ, Scope.SUBMIT])
def test_a_key_without_the_scope_of_a_route_is_refused(
    api: Api, clients: dict[Scope, httpx.Client], scope: Scope
) -> None:
    """Paths name objects that do not exist, so that nothing is changed."""
    codes = {Scope.SUBMIT: "scope_required", Scope.ADMIN: "admin_required"}
    refused = 0
    for route in routes(api):
        if scope.covers(route.scope):
            continue
        unknown = {name: str(uuid.uuid4()) for name in route.parameters} | {"image_id": "1", "name": "nobody"}
        answer = route.send(clients[scope], unknown)
        assert (answer.status_code, answer.json()["code"]) == (403, codes[route.scope]), f"{route.method} {route.path}"
        refused += 1
    assert refused >= len(ADMIN_ROUTES) + (15 if scope is Scope.READ else 0)


def test_a_job_over_a_foreign_dataset_is_not_found(clients: dict[Scope, httpx.Client], owned: Owned) -> None:
    body = {"dataset_id": owned.ids["dataset_id"], "variants": ["mobile_sam"], "task": {"kind": "everything"}}
    for scope, status in ((Scope.READ, 403), (Scope.SUBMIT, 404), (Scope.ADMIN, 404)):
        assert clients[scope].post("/v1/jobs", json=body).status_code == status


def test_a_key_that_may_only_read_reads(clients: dict[Scope, httpx.Client]) -> None:
    for path in ("/v1/jobs", "/v1/datasets", "/v1/webhooks", "/v1/variants", "/v1/pools"):
        assert clients[Scope.READ].get(path).status_code == 200
    assert clients[Scope.READ].post("/v1/login-links").status_code == 201
