"""One error body on every route, checked by calling all of them with invalid input."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from fastapi.routing import APIRoute

from fixtures.api.running_api import Api, Tenant
from samfleet_api.problems import Problem

UNKNOWN_ID = "5f0c0a52-9b0e-4a71-8d5a-0d2f6f0a1c11"
ADMINS = {"/v1/tenants/{name}"}  # refused before anything is looked up
PUBLIC = {"/healthz", "/metrics", "/readyz"}


def routes(api: Api) -> Iterator[tuple[str, str]]:
    """Yield (method, path template) of every operation, including HEAD."""
    paths = api.app.openapi()["paths"]
    for path, operations in paths.items():
        for method in operations:
            yield method.upper(), path
    yield "HEAD", "/v1/runs/{run_id}/results"


# Parameters without which a route looks nothing up.
REQUIRED = {"/v1/runs/{run_id}/images/{image_id}/comparison": {"with": UNKNOWN_ID}}


def fill(path: str, value: str) -> str:
    return re.sub(r"\{image_id\}", "1", re.sub(r"\{(?!image_id)\w+\}", value, path))


def check(answer: httpx.Response, statuses: set[int]) -> None:
    where = f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}"
    assert answer.status_code in statuses, where
    assert answer.headers["Content-Type"] == "application/problem+json", where
    assert answer.headers["X-Request-ID"]
    if answer.request.method == "HEAD":
        return
    problem = Problem.model_validate(answer.json(), extra="forbid")
    assert problem.status == answer.status_code, where
    assert re.fullmatch(r"[a-z][a-z0-9_]+", problem.code), where
    assert problem.detail, where
    assert problem.instance == answer.request.url.path, where
    assert (problem.errors is not None) <= (problem.code == "payload_invalid"), where


def test_every_operation_is_a_route_of_the_application(api: Api) -> None:
    assert len(list(routes(api))) >= 20
    assert not [route for route in api.app.routes if isinstance(route, APIRoute) and not route.path]


def test_a_missing_key_has_the_error_body(api: Api) -> None:
    for method, path in routes(api):
        if path not in PUBLIC:
            check(httpx.request(method, api.url + fill(path, UNKNOWN_ID)), {401})


def test_unknown_parameters_have_the_error_body(api: Api, tenant: Tenant) -> None:
    for method, path in routes(api):
        check(tenant.http.request(method, fill(path, UNKNOWN_ID), params={"surprise": "1"}), {422})


def test_unknown_ids_have_the_error_body(api: Api, tenant: Tenant) -> None:
    for method, path in routes(api):
        if "{" in path and method in {"GET", "HEAD"}:
            answer = tenant.http.request(method, fill(path, UNKNOWN_ID), params=REQUIRED.get(path))
            check(answer, {403 if path in ADMINS else 404})


def test_malformed_ids_have_the_error_body(api: Api, tenant: Tenant) -> None:
    for method, path in routes(api):
        if "_id}" in path:
            refused = 403 if path.startswith("/v1/keys/") else 422  # only an admin's id is read there
            check(tenant.http.request(method, fill(path, "no-id")), {refused})


def test_bodies_that_are_not_json_have_the_error_body(api: Api, tenant: Tenant) -> None:
    for path in ("/v1/datasets", "/v1/jobs"):
        for content_type in ("application/json", "text/plain", "multipart/form-data"):
            answer = tenant.http.post(path, content=b"{", headers={"Content-Type": content_type})
            check(answer, {422})


@pytest.mark.parametrize("cursor", ["x", "W10", "WzFd", "WyJhIiwgImIiXQ", "bnVsbA", "ż", "WyJwb3NpdGlvbiIsIDk5OV0"])
def test_foreign_cursors_have_the_error_body(api: Api, tenant: Tenant, cursor: str) -> None:
    upload = tenant.http.post("/v1/datasets", json={"source": "upload"}).json()["id"]
    for path in ("/v1/datasets", "/v1/jobs", f"/v1/datasets/{upload}/images"):
        answer = tenant.http.get(path, params={"cursor": cursor})
        check(answer, {422})
        assert answer.json()["code"] == "cursor_invalid"


def test_unknown_routes_and_methods_have_the_error_body(api: Api, tenant: Tenant) -> None:
    for path in ("/nowhere", "/v1", "/v1/jobs/x/y/z"):
        check(tenant.http.get(path), {404})
    for method, path in (("DELETE", "/v1/jobs"), ("PATCH", "/healthz"), ("PUT", "/v1/variants/mobile_sam")):
        answer = tenant.http.request(method, path)
        check(answer, {405})
        assert answer.headers["Allow"]
