from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, update

from fixtures.api.no_tls import NO_TLS
from fixtures.api.running_api import Api, Tenant
from fixtures.worker.recorded_jobs import new_job
from samfleet.db.keys import hash_key
from samfleet.db.models import ApiKey, BrowserSession
from samfleet.db.session import transaction
from samfleet_api.sessions.cookies import COOKIE, csrf_token
from samfleet_api.sessions.wrong_keys import WINDOW, TooManyAttempts, WrongKeys

SESSION = "/dashboard/session"
NO_JOB = f"/v1/jobs/{uuid.UUID(int=0)}/cancel"


@pytest.fixture
def browser(api: Api) -> Iterator[httpx.Client]:
    """A client that keeps cookies and has no key."""
    with httpx.Client(base_url=api.url, timeout=30, verify=NO_TLS) as http:
        yield http


@pytest.fixture
def three_wrong_keys(api: Api) -> Iterator[None]:
    """Limit the server to three wrong keys per address and minute."""
    before, api.app.state.wrong_keys = api.app.state.wrong_keys, WrongKeys(3)
    yield
    api.app.state.wrong_keys = before


def log_in(browser: httpx.Client, tenant: Tenant) -> str:
    """Log in and return the token for requests that change something."""
    answer = browser.post(SESSION, json={"key": tenant.key})
    assert answer.status_code == 204, answer.text
    token: str = browser.get(SESSION).json()["csrf_token"]
    return token


def test_the_cookie_is_hidden_from_scripts_and_other_sites(browser: httpx.Client, tenant: Tenant) -> None:
    answer = browser.post(SESSION, json={"key": f" {tenant.key}\n"})
    cookie = answer.headers["Set-Cookie"].lower()
    assert all(part in cookie for part in ("httponly", "samesite=strict", "max-age=43200", "path=/"))
    assert "secure" not in cookie  # a browser would drop it on http


def test_the_cookie_is_secure_on_https(api: Api, tenant: Tenant) -> None:
    from fastapi.testclient import TestClient

    with TestClient(api.app, base_url="https://testserver") as client:
        answer = client.post(SESSION, json={"key": tenant.key})
    assert "secure" in answer.headers["Set-Cookie"].lower()


def test_an_unknown_page_is_a_404_page(browser: httpx.Client) -> None:
    answer = browser.get("/dashboard/foo/bar")
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert "content-security-policy" in answer.headers
    assert browser.get("/dashboard").status_code == 307
    assert browser.get("/v1/foo").json()["code"] == "route_not_found"
    assert browser.get("/dashboard/static/foo.js").status_code == 404


def test_the_stored_form_of_a_session_does_not_log_in(api: Api, browser: httpx.Client, tenant: Tenant) -> None:
    log_in(browser, tenant)
    token = browser.cookies[COOKIE]
    with transaction(api.engine) as session:
        assert session.query(BrowserSession).filter_by(token_sha256=hash_key(token)).count() == 1
        assert session.query(BrowserSession).filter_by(token_sha256=token).count() == 0


def test_a_browser_sees_only_data_of_its_tenant(
    api: Api, browser: httpx.Client, tenant: Tenant, other_tenant: Tenant, folder: Path
) -> None:
    job = new_job(tenant, folder)
    log_in(browser, tenant)
    assert [one["id"] for one in browser.get("/v1/jobs").json()["items"]] == [job["id"]]
    assert browser.get(f"/v1/jobs/{job['id']}").status_code == 200
    with httpx.Client(base_url=api.url, verify=NO_TLS) as stranger:
        log_in(stranger, other_tenant)
        assert stranger.get("/v1/jobs").json()["items"] == []
        assert stranger.get(f"/v1/jobs/{job['id']}").status_code == 404
        assert stranger.get(f"/v1/runs/{job['runs'][0]['id']}").status_code == 404


def test_changes_need_more_than_the_cookie(browser: httpx.Client, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder)
    right = log_in(browser, tenant)
    path = f"/v1/jobs/{job['id']}/cancel"
    for headers in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": right[:-1] + "~"}, {"X-CSRF-Token": csrf_token("x")}):
        answer = browser.post(path, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf_token_invalid")
    assert browser.request("DELETE", SESSION).json()["code"] == "csrf_token_invalid"
    assert tenant.http.get(f"/v1/jobs/{job['id']}").json()["state"] == "queued"
    assert browser.post(path, headers={"X-CSRF-Token": right}).json()["state"] == "cancelled"


def test_a_csrf_token_is_valid_only_for_its_session(
    api: Api, browser: httpx.Client, tenant: Tenant, other_tenant: Tenant
) -> None:
    log_in(browser, tenant)
    with httpx.Client(base_url=api.url, verify=NO_TLS) as stranger:
        foreign = log_in(stranger, other_tenant)
    assert browser.post(NO_JOB, headers={"X-CSRF-Token": foreign}).status_code == 403


def test_a_key_needs_no_token(tenant: Tenant) -> None:
    assert tenant.http.post(NO_JOB).status_code == 404


def test_the_cookie_is_invalid_after_logging_out(browser: httpx.Client, tenant: Tenant) -> None:
    right = log_in(browser, tenant)
    kept = browser.cookies[COOKIE]
    assert browser.request("DELETE", SESSION, headers={"X-CSRF-Token": right}).status_code == 204
    assert COOKIE not in browser.cookies
    assert browser.request("DELETE", SESSION).status_code == 204
    assert browser.get("/v1/jobs", headers={"Cookie": f"{COOKIE}={kept}"}).status_code == 401
    assert browser.get(SESSION, headers={"Cookie": f"{COOKIE}={kept}"}).json()["code"] == "session_missing"


def test_logging_in_again_ends_the_previous_session(browser: httpx.Client, tenant: Tenant) -> None:
    log_in(browser, tenant)
    former = browser.cookies[COOKIE]
    log_in(browser, tenant)
    browser.cookies.clear()
    assert browser.get("/v1/jobs", headers={"Cookie": f"{COOKIE}={former}"}).status_code == 401


@pytest.mark.parametrize("ended", ["expired", "revoked"])
def test_a_session_ends_at_its_expiry_and_with_its_key(
    api: Api, browser: httpx.Client, tenant: Tenant, ended: str
) -> None:
    log_in(browser, tenant)
    with transaction(api.engine) as session:
        if ended == "expired":
            mine = BrowserSession.token_sha256 == hash_key(browser.cookies[COOKIE])
            session.execute(update(BrowserSession).where(mine).values(expires_at=func.now()))
        else:
            session.execute(
                update(ApiKey).where(ApiKey.key_sha256 == hash_key(tenant.key)).values(revoked_at=func.now())
            )
    answer = browser.get("/v1/jobs")
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert browser.get(SESSION).status_code == 401


def test_wrong_keys_are_rate_limited_and_right_keys_are_accepted(
    three_wrong_keys: None, browser: httpx.Client, tenant: Tenant
) -> None:
    """Another client behind the same proxy locks nobody out."""
    for _ in range(3):
        answer = browser.post(SESSION, json={"key": "sf_wrong"})
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
        assert COOKIE not in browser.cookies
    refused = browser.post(SESSION, json={"key": "sf_wrong"})
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_attempts")
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert browser.get("/v1/jobs", headers={"Authorization": "Bearer sf_wrong"}).status_code == 429
    assert browser.post(SESSION, json={"key": tenant.key}).status_code == 204
    assert tenant.http.get("/v1/jobs").status_code == 200


def test_wrong_bearer_keys_are_counted_too(three_wrong_keys: None, api: Api) -> None:
    statuses = [
        httpx.get(f"{api.url}/v1/jobs", headers={"Authorization": f"Bearer sf_{number}"}).status_code
        for number in range(4)
    ]
    assert statuses == [401, 401, 401, 429]


def test_a_form_of_another_site_cannot_log_in(browser: httpx.Client, tenant: Tenant) -> None:
    for content_type in ("text/plain", "application/x-www-form-urlencoded"):
        answer = browser.post(SESSION, content=f'{{"key": "{tenant.key}"}}', headers={"Content-Type": content_type})
        assert answer.status_code == 422
    assert COOKIE not in browser.cookies


def test_attempts_are_counted_per_address_within_a_window() -> None:
    now = 0.0
    wrong_keys = WrongKeys(2, clock=lambda: now)
    for _ in range(2):
        wrong_keys.count("a")
    wrong_keys.count("b")
    with pytest.raises(TooManyAttempts) as refused:
        wrong_keys.count("a")
    assert refused.value.retry_after_seconds == WINDOW.total_seconds()
    now = WINDOW.total_seconds()
    wrong_keys.count("a")
