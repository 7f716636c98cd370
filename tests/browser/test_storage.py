from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from fixtures.api.running_api import Api, Tenant
from fixtures.servers.chromium import PHONE
from fixtures.worker.recorded_jobs import carry_out, new_job

pytestmark = pytest.mark.browser


def test_the_storage_of_a_tenant_and_of_a_job_is_shown(
    api: Api, tenant: Tenant, folder: Path, page: Page, pictures: Path
) -> None:
    page.goto("/dashboard/storage")
    expect(page.get_by_text("Nothing is stored yet.")).to_be_visible()
    job = new_job(tenant, folder, images=4, name="shelves")
    carry_out(api, job)
    use = tenant.http.get("/v1/storage").json()
    page.reload()
    total = page.get_by_role("row", name="All")
    expect(total.get_by_role("cell").nth(1)).to_have_text(f"{use['total']['objects']}")
    expect(total.get_by_role("cell").nth(2)).to_have_text("8")  # images and their results
    page.screenshot(path=pictures / "storage-desktop.png", full_page=True)
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    page.screenshot(path=pictures / "storage-phone.png", full_page=True)
    page.get_by_role("link", name="shelves").click()
    expect(page.locator("#storage")).to_contain_text(" objects, 4 rows")
