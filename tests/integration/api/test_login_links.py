from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import func, update
from typer.testing import CliRunner

from fixtures.api.no_tls import NO_TLS
from fixtures.api.running_api import Api, Tenant, new_tenant
from samfleet.db.keys import hash_key
from samfleet.db.models import LoginLink
from samfleet.db.session import transaction
from samfleet_api.sessions.wrong_keys import WrongKeys
from samfleet_cli.main import app

LINKS, SESSION, LOGIN = "/v1/login-links", "/dashboard/session", "/dashboard/session/link"


@pytest.fixture
def browser(api: Api) -> Iterator[httpx.Client]:
    """A client that keeps cookies and has no key."""
    with httpx.Client(base_url=api.url, timeout=30, verify=NO_TLS) as http:
        yield http


def token_of(address: str) -> str:
    return dict(part.split("=") for part in urlsplit(address).fragment.split("&"))["token"]


def new_token(tenant: Tenant) -> str:
    answer = tenant.http.post(LINKS)
    assert answer.status_code == 201, answer.text
    return token_of(answer.json()["path"])


def code_of(browser: httpx.Client, token: str) -> str:
    answer = browser.post(LOGIN, json={"token": token})
    assert answer.status_code == 401
    return str(answer.json()["code"])


def test_a_link_works_once(browser: httpx.Client, tenant: Tenant) -> None:
    token = new_token(tenant)
    answer = browser.post(LOGIN, json={"token": token})
    assert answer.status_code == 204, answer.text
    assert "httponly" in answer.headers["Set-Cookie"].lower()
    assert browser.get(SESSION).status_code == 200
    assert browser.get("/v1/jobs").status_code == 200
    assert code_of(browser, token) == "login_link_invalid"


def test_a_link_expires_after_minutes_and_with_its_key(api: Api, browser: httpx.Client) -> None:
    with new_tenant(api, admin=True) as admin:
        old = new_token(admin)
        with transaction(api.engine) as session:
            mine = LoginLink.token_sha256 == hash_key(old)
            session.execute(update(LoginLink).where(mine).values(expires_at=func.now()))
        assert code_of(browser, old) == "login_link_invalid"
        key = admin.http.post("/v1/keys", json={"name": "short-lived"}).json()
        made = admin.http.post(LINKS, headers={"Authorization": f"Bearer {key['key']}"}).json()
        admin.http.delete(f"/v1/keys/{key['id']}")
        assert code_of(browser, token_of(made["path"])) == "login_link_invalid"


def test_the_stored_form_of_a_link_does_not_log_in(api: Api, browser: httpx.Client, tenant: Tenant) -> None:
    token = new_token(tenant)
    assert code_of(browser, hash_key(token)) == "login_link_invalid"
    with transaction(api.engine) as session:
        assert session.query(LoginLink).filter_by(token_sha256=hash_key(token)).count() == 1
        lifetime = session.query(LoginLink.expires_at - LoginLink.created_at).filter_by(token_sha256=hash_key(token))
        assert lifetime.scalar().total_seconds() <= 300


def test_a_browser_session_cannot_create_links(browser: httpx.Client, tenant: Tenant) -> None:
    assert browser.post(LINKS).json()["code"] == "unauthorized"
    browser.post(LOGIN, json={"token": new_token(tenant)})
    csrf = browser.get(SESSION).json()["csrf_token"]
    refused = browser.post(LINKS, headers={"X-CSRF-Token": csrf})
    assert (refused.status_code, refused.json()["code"]) == (403, "key_required")


def test_a_form_of_another_site_cannot_log_in(browser: httpx.Client, tenant: Tenant) -> None:
    answer = browser.post(LOGIN, data={"token": new_token(tenant)})
    assert answer.status_code == 422
    assert "Set-Cookie" not in answer.headers


def test_wrong_tokens_are_counted_like_wrong_keys(api: Api, browser: httpx.Client) -> None:
    before, api.app.state.wrong_keys = api.app.state.wrong_keys, WrongKeys(2)
    try:
        codes = [browser.post(LOGIN, json={"token": "x"}).json()["code"] for _ in range(3)]
    finally:
        api.app.state.wrong_keys = before
    assert codes == ["login_link_invalid", "login_link_invalid", "too_many_attempts"]


def test_the_command_line_prints_a_link(api: Api, browser: httpx.Client, tenant: Tenant) -> None:
    result = CliRunner().invoke(app, ["open", "--no-browser", "--api-url", api.url, "--api-key", tenant.key])
    assert result.exception is None
    link = result.stdout.strip()
    assert link.startswith(f"{api.url}/dashboard/login#token=")
    assert link.endswith("&next=%2Fdashboard%2F")
    assert browser.post(LOGIN, json={"token": token_of(link)}).status_code == 204
