"""Requests that fail while a page is open: the page says so and can be used again afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Route, expect

from fixtures.api.running_api import Api, Tenant
from fixtures.servers.chromium import looked_at
from fixtures.worker.recorded_jobs import carry_out, new_job

pytestmark = pytest.mark.browser


def test_an_error_that_no_part_handles_is_shown_above_the_page(page: Page, pictures: Path) -> None:
    leave = page.get_by_role("button", name="Log out")
    page.context.set_offline(offline=True)
    leave.click()
    alert = page.get_by_role("alert").filter(has_text="The API does not respond")
    expect(alert).to_be_visible()
    page.screenshot(path=pictures / "unhandled.png")
    assert Axe().run(page).response["violations"] == []
    page.context.set_offline(offline=False)
    alert.get_by_role("button", name="Close").click()
    expect(alert).to_have_count(0)
    leave.click()
    page.wait_for_url("**/dashboard/login")


def test_an_error_in_the_code_of_a_page_is_shown_too(page: Page) -> None:
    page.evaluate("() => { dispatchEvent(new ErrorEvent('error', { error: new TypeError('no such part') })); }")
    expect(page.get_by_role("alert")).to_contain_text("This page has an error: no such part. Reload it")


def test_a_gallery_that_could_not_be_loaded_is_tried_again(api: Api, tenant: Tenant, folder: Path, page: Page) -> None:
    job = new_job(tenant, folder)
    carry_out(api, job)
    refused: list[str] = []

    def refuse_once(route: Route) -> None:
        if refused:
            route.continue_()
        else:
            refused.append(route.request.url)
            route.abort()

    page.route("**/v1/runs/*/images?*", refuse_once)
    looked_at(page, f"/dashboard/jobs/{job['id']}/images")
    expect(page.get_by_role("heading", name="The images could not be loaded")).to_be_visible()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("listitem").filter(has_text="0.png")).to_be_visible()
