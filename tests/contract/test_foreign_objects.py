"""An object of another tenant cannot be told from one that does not exist, on any route, with any key."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from itertools import product
from typing import Any

import httpx
import pytest

from fixtures.api.running_api import Api
from fixtures.api.tenant_matrix import (
    SHARED,
    Owned,
    Route,
    client_of,
    clients,
    closed_keys,
    owned,
    routes,
)
from samfleet.db.models import Scope

__all__ = ["clients", "closed_keys", "owned"]

ABSENT = {"image_id": "1", "site_name": "another-site-of-nobody"}
SHORT = 8  # characters of an id that the dashboard shows
OWN_TENANT_CODES = {"disabled": (403, "tenant_disabled")}  # the caller knows the tenant: it has a key of it
NO_KEY = (401, "unauthorized")
JOB = {"variants": ["mobile_sam"], "task": {"kind": "everything"}}


def absent(ids: dict[str, str]) -> dict[str, str]:
    return {name: ABSENT.get(name) or str(uuid.uuid4()) for name in ids}


def told(answer: httpx.Response, values: dict[str, str]) -> tuple[int, Any]:
    """Return status and body of a reply, without the ids that were asked for and the number of the request."""
    text = answer.text
    for name, value in values.items():
        if len(value) >= SHORT:
            text = text.replace(value, name)
    body = json.loads(text) if text.startswith("{") else text
    if isinstance(body, dict):
        body.pop("request_id", None)
    return answer.status_code, body


def of_tenants(api: Api) -> Iterator[Route]:
    """Yield the routes whose path names an object of a tenant."""
    return (route for route in routes(api) if route.parameters - SHARED)


def test_every_parameter_of_a_path_is_an_object_that_these_tests_know(api: Api, owned: Owned) -> None:
    named = {name for route in routes(api) for name in route.parameters}
    assert named <= owned.ids.keys() | SHARED
    assert len(list(of_tenants(api))) > 30


@pytest.mark.parametrize("scope", list(Scope))
def test_a_foreign_object_is_answered_like_an_absent_one(
    api: Api, clients: dict[Scope, httpx.Client], owned: Owned, scope: Scope
) -> None:
    """Full ids, and the first characters of ids, which several routes accept."""
    differing = []
    for route in of_tenants(api):
        nothing = absent(owned.ids)
        wanted = 404 if scope.covers(route.scope) else 403
        foreign = told(route.send(clients[scope], owned.ids), owned.ids)
        if foreign != told(route.send(clients[scope], nothing), nothing) or foreign[0] != wanted:
            differing.append((route.method, route.path, foreign))
        ids, nothing = ({name: one[name][:SHORT] for name in one} for one in (owned.ids, nothing))
        answers = [told(route.send(clients[scope], one), one) for one in (ids, nothing)]
        if answers[0] != answers[1] or answers[0][0] not in {403, 404, 422}:
            differing.append((route.method, route.path, answers[0]))
    assert differing == []


@pytest.mark.parametrize("scope", list(Scope))
def test_a_foreign_object_below_an_own_one_is_answered_like_an_absent_one(
    clients: dict[Scope, httpx.Client], owned: Owned, scope: Scope
) -> None:
    """A delivery of another tenant under a webhook of the caller."""
    body = {"url": "https://example.com/", "events": ["job.failed"]}
    own = clients[Scope.SUBMIT].post("/v1/webhooks", json=body).json()["id"]
    for method, end in (("GET", ""), ("POST", "/replay")):
        foreign, nothing = owned.ids["delivery_id"], str(uuid.uuid4())
        answers = [
            told(clients[scope].request(method, f"/v1/webhooks/{own}/deliveries/{one}{end}"), {"delivery_id": one})
            for one in (foreign, nothing)
        ]
        assert answers[0] == answers[1]
        assert answers[0][0] == (403 if method == "POST" and scope is Scope.READ else 404)
    clients[Scope.SUBMIT].delete(f"/v1/webhooks/{own}")


@pytest.mark.parametrize("scope", [Scope.SUBMIT, Scope.ADMIN])
def test_a_foreign_object_in_a_body_is_answered_like_an_absent_one(
    clients: dict[Scope, httpx.Client], owned: Owned, scope: Scope
) -> None:
    nothing = absent(owned.ids)
    for body in ({**JOB, "dataset_id": "dataset_id"}, {"rerun_of": "job_id"}):
        answers = []
        for ids in (owned.ids, nothing):
            sent = {field: ids.get(value, value) if isinstance(value, str) else value for field, value in body.items()}
            answers.append(told(clients[scope].post("/v1/jobs", json=sent), ids))
        assert answers[0] == answers[1]
        assert answers[0][0] == 404


@pytest.mark.parametrize("scope", [Scope.SUBMIT, Scope.ADMIN])
def test_foreign_runs_cannot_be_compared(clients: dict[Scope, httpx.Client], owned: Owned, scope: Scope) -> None:
    answers = []
    for ids in (owned.ids, absent(owned.ids)):
        body = {"run_a": ids["run_id"], "run_b": ids["other_run_id"]}
        answers.append(told(clients[scope].post("/v1/comparisons", json=body), ids))
    assert answers[0] == answers[1]
    assert answers[0][0] == 404


def test_a_foreign_object_in_a_query_is_answered_like_an_absent_one(
    api: Api, clients: dict[Scope, httpx.Client], owned: Owned
) -> None:
    nothing, compared = absent(owned.ids), 0
    kinds = {"job": "job_id", "dataset_id": "dataset_id", "run_a": "run_id", "run_b": "run_id"}
    for route, (name, kind) in product(routes(api), kinds.items()):
        if route.method == "GET" and name in route.query and not route.parameters:
            asked = [(ids, {name: ids[kind]}) for ids in (owned.ids, nothing)]
            answers = [told(clients[Scope.READ].get(route.path, params=query), ids) for ids, query in asked]
            assert answers[0] == answers[1], f"{route.path}?{name}"
            assert answers[0][0] < 500
            compared += 1
    assert compared >= 8


@pytest.mark.parametrize("side", ["a", "b"])
def test_a_foreign_side_of_a_comparison_is_answered_like_an_absent_one(
    clients: dict[Scope, httpx.Client], owned: Owned, side: str
) -> None:
    other = str(uuid.uuid4())
    answers = []
    for ids in (owned.ids, absent(owned.ids)):
        query = {"by": "job", "a": other, "b": other} | {side: ids["job_id"]}
        answers.append(told(clients[Scope.READ].get("/v1/reports/compare", params=query), ids))
    assert answers[0] == answers[1]
    assert answers[0][0] < 500


@pytest.mark.parametrize("scope", [Scope.READ, Scope.SUBMIT])
def test_no_list_report_or_download_shows_anything_of_another_tenant(
    api: Api, clients: dict[Scope, httpx.Client], owned: Owned, scope: Scope
) -> None:
    read = 0
    for route in routes(api):
        if route.method != "GET" or route.parameters or not scope.covers(route.scope):
            continue
        answer = clients[scope].get(route.path)
        assert [word for word in owned.words if word in answer.text] == [], route.path
        read += 1
    assert read >= 15


@pytest.mark.parametrize("reason", ["expired", "revoked", "disabled", "unknown", "malformed", "none"])
def test_a_key_that_opens_nothing_is_answered_alike_for_all_objects(
    api: Api, closed_keys: dict[str, str], owned: Owned, reason: str
) -> None:
    """Nothing is looked up for it."""
    status, code = OWN_TENANT_CODES.get(reason, NO_KEY)
    with client_of(api, closed_keys.get(reason)) as client:
        for route in routes(api):
            values = {**owned.ids, "name": "mobile_sam"} | {
                name: str(uuid.uuid4()) for name in ("key_id", "hardware_id")
            }
            answer = route.send(client, values)
            assert (answer.status_code, answer.json()["code"]) == (status, code), f"{route.method} {route.path}"
            assert not any(word in answer.json()["detail"] for word in owned.words)


def test_a_browser_of_another_tenant_finds_nothing_behind_the_pages_of_the_dashboard(
    api: Api, clients: dict[Scope, httpx.Client], owned: Owned
) -> None:
    """The pages are one document without data, for anybody; what they load with the cookie of a session is checked."""
    ids, nothing = owned.ids, absent(owned.ids)
    pages = ("/dashboard/jobs/{job_id}", "/dashboard/runs/{run_id}/images/{image_id}", "/dashboard/webhooks")
    loads = (
        "/v1/jobs/{job_id}", "/v1/jobs/{job_id}/events", "/v1/jobs/{job_id}/errors/groups", "/v1/runs/{run_id}",
        "/v1/runs/{run_id}/images/{image_id}/overlay.png", "/v1/runs/{run_id}/images/{image_id}/preview.jpg",
        "/v1/runs/{run_id}/results",
    )  # fmt: skip
    key = clients[Scope.READ].headers["Authorization"].removeprefix("Bearer ")
    with client_of(api, None) as browser:
        for page in pages:
            shown = [browser.get(page.format_map(one)) for one in (ids, nothing)]
            assert [one.status_code for one in shown] == [200, 200]
            assert shown[0].content == shown[1].content
        assert browser.post("/dashboard/session", json={"key": key}).status_code == 204
        for path in loads:
            answers = [told(browser.get(path.format_map(one)), one) for one in (ids, nothing)]
            assert answers[0] == answers[1], path
            assert answers[0][0] == 404


def test_the_owner_sees_all_of_it(api: Api, owned: Owned) -> None:
    """The requests above are refused for the tenant alone: with the owner's key they succeed."""
    reading = [route for route in of_tenants(api) if route.method == "GET" and not route.path.endswith("/events")]
    statuses = {route.path: route.send(owned.http, owned.ids).status_code for route in reading}
    assert set(statuses.values()) == {200}, statuses
