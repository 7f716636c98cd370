from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from fixtures.api.running_api import Api, Tenant
from fixtures.servers.chromium import PHONE
from fixtures.worker.recorded_jobs import new_job, plan

pytestmark = pytest.mark.browser


def test_the_history_of_a_job_grows_with_its_changes(
    api: Api, tenant: Tenant, folder: Path, page: Page, pictures: Path
) -> None:
    job = new_job(tenant, folder, name="shelves", labels={"team": "a"})
    plan(api, job)
    page.goto(f"/dashboard/jobs/{job['id']}")
    rows = page.get_by_role("table", name="Changes, newest first").locator("tbody tr")
    expect(rows).to_have_count(4)  # the job and its run, created and running
    page.get_by_role("button", name="Pause the job").click()
    expect(rows).to_have_count(6)  # without a reload
    expect(rows.first).to_contain_text("running → paused")
    expect(rows.first).to_contain_text("registered")
    expect(rows.first).to_contain_text("requested")
    expect(rows.last).to_contain_text("created")
    page.screenshot(path=pictures / "history-desktop.png", full_page=True)
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    page.screenshot(path=pictures / "history-phone.png", full_page=True)


def test_a_long_history_is_shown_in_parts(tenant: Tenant, folder: Path, page: Page) -> None:
    job = new_job(tenant, folder)
    for number in range(51):
        tenant.http.patch(f"/v1/jobs/{job['id']}", json={"name": f"name {number}"}).raise_for_status()
    page.goto(f"/dashboard/jobs/{job['id']}")
    rows = page.locator("#history tbody tr")
    expect(rows).to_have_count(50)
    page.get_by_role("button", name="Older changes").click()
    expect(rows).to_have_count(53)
    expect(page.get_by_role("button", name="Older changes")).to_have_count(0)
