from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from fixtures.api import Api, Tenant
from fixtures.measured import finished_job
from fixtures.recorded import new_job

pytestmark = pytest.mark.browser


def test_a_job_shows_its_times_failures_and_pictures(api: Api, tenant: Tenant, folder: Path, page: Page) -> None:
    job = finished_job(api, tenant, folder)
    page.goto(f"/dashboard/jobs/{job['id']}")
    chart = page.get_by_role("img", name="Mean time of an image, stage by stage")
    expect(chart.locator("rect.length")).to_have_count(2 * 5)
    widths = [
        float(width or 0)
        for width in chart.locator("rect.length").evaluate_all("all => all.map(r => r.width.baseVal.value)")
    ]
    assert sum(widths) > 500
    times = page.get_by_role("table", name="Time per image and stage, warm-up left out")
    assert times.get_by_role("row").count() == 1 + 2 * 5
    failures = page.get_by_role("table", name="Failures by code")
    expect(failures.get_by_role("row").nth(1)).to_contain_text("image_truncated")
    expect(failures.get_by_role("row").nth(1).get_by_role("cell").first).to_have_text("4")
    expect(page.locator("#gallery img")).to_have_count(5)  # two of seven failed
    expect(page.locator("#gallery .missing")).to_have_count(2)
    page.locator("#gallery select").select_option("sam_vit_b")
    page.wait_for_url("**?run=*")
    expect(page.locator("#gallery select option:checked")).to_have_text("sam_vit_b")


def test_a_job_is_cancelled_by_its_button(api: Api, tenant: Tenant, folder: Path, page: Page) -> None:
    job = new_job(tenant, folder, name="too much")
    page.goto(f"/dashboard/jobs/{job['id']}")
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Cancel the job").click()
    expect(page.locator(".head .state")).to_have_text("cancelled")
    assert tenant.http.get(f"/v1/jobs/{job['id']}").json()["state"] == "cancelled"
