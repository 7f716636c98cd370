from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from fixtures.api.running_api import Api, Tenant
from fixtures.servers.chromium import visitor

pytestmark = pytest.mark.browser


def test_a_page_without_a_session_asks_for_the_login_and_returns_afterwards(
    browser: Browser, api: Api, tenant: Tenant
) -> None:
    with visitor(browser, api.url) as page:
        page.goto("/dashboard/variants?name=tiny")
        page.get_by_label("API key").fill("sf_wrong")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("alert")).to_contain_text("unknown, expired or revoked")
        page.get_by_label("API key").fill(tenant.key)
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Variants").wait_for()
        assert page.url.endswith("/dashboard/variants?name=tiny")
        page.get_by_role("button", name="Log out").click()
        page.get_by_label("API key").wait_for()
        page.goto("/dashboard/")
        page.get_by_label("API key").wait_for()


@pytest.mark.parametrize("elsewhere", ["https://example.org/", "//example.org", "javascript:alert(1)", "/v1/jobs"])
def test_the_login_never_redirects_to_another_site(browser: Browser, api: Api, tenant: Tenant, elsewhere: str) -> None:
    with visitor(browser, api.url) as page:
        page.goto(f"/dashboard/login?next={elsewhere}")
        page.get_by_label("API key").fill(tenant.key)
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Overview").wait_for()
        assert page.url == f"{api.url}/dashboard/"


def test_the_policy_blocks_scripts_from_other_hosts(page: Page) -> None:
    answer = page.goto("/dashboard/")
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy


def test_a_link_logs_in_after_confirmation_and_opens_its_page(browser: Browser, api: Api, tenant: Tenant) -> None:
    path = tenant.http.post("/v1/login-links").json()["path"]
    for works in (True, False):
        with visitor(browser, api.url) as page:
            page.goto(f"{path}&next=%2Fdashboard%2Fvariants")
            page.get_by_role("button", name="Log in").click()
            if works:
                page.get_by_role("heading", name="Variants").wait_for()
                assert page.url == f"{api.url}/dashboard/variants"
            else:
                expect(page.get_by_role("alert")).to_contain_text("was already used")
                page.get_by_label("API key").wait_for()
