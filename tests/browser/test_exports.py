"""Exports of a job's page: requested by the form, shown until they are built, downloaded and deleted."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from fixtures.api.running_api import Api, Tenant
from fixtures.servers.chromium import PHONE, looked_at
from fixtures.worker.recorded_jobs import carry_out, new_job, plan
from samfleet.exports.build import build_export

pytestmark = pytest.mark.browser


def test_an_export_is_requested_downloaded_and_deleted(
    api: Api, tenant: Tenant, folder: Path, page: Page, pictures: Path
) -> None:
    job = new_job(tenant, folder, images=4, name="shelves", variants=["mobile_sam", "tinysam"])
    carry_out(api, job)
    run_id = next(run["id"] for run in job["runs"] if run["variant"] == "tinysam")
    looked_at(page, f"/dashboard/jobs/{job['id']}")
    section = page.locator("#exports")
    section.get_by_label("Run").select_option("tinysam on default")
    section.get_by_label("Format").select_option("instances")
    expect(section).to_contain_text("Complete COCO file")
    section.get_by_text("Options").first.click()
    section.get_by_label("min area").fill("5")
    section.get_by_label("category name").fill("fish")
    section.get_by_label("one class").check()
    section.get_by_label("reviewed").select_option("unreviewed")
    section.get_by_role("button", name="Export").click()
    row = section.get_by_role("row").nth(1)
    expect(row).to_contain_text("queued")
    expect(row).to_contain_text("min area 5, category name fish, one class true, reviewed unreviewed")
    (export,) = tenant.http.get(f"/v1/runs/{run_id}/exports").json()["items"]
    build_export(api.engine, api.store, uuid.UUID(export["id"]), 1000)
    expect(row).to_contain_text("completed")  # the page asks again by itself
    page.screenshot(path=pictures / "exports-desktop.png", full_page=True)
    assert Axe().run(page).response["violations"] == []
    with page.expect_download() as download:
        row.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == export["file_name"]
    assert json.loads(download.value.path().read_text())["categories"] == [{"id": 1, "name": "fish"}]
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    section.screenshot(path=pictures / "exports-phone.png")
    page.on("dialog", lambda dialog: dialog.accept())
    row.get_by_role("button", name="Delete").click()
    expect(section.get_by_role("row")).to_have_count(0)
    assert tenant.http.get(f"/v1/runs/{run_id}/exports").json()["items"] == []


def test_a_wrong_option_is_refused_with_a_reason(api: Api, tenant: Tenant, folder: Path, page: Page) -> None:
    job = new_job(tenant, folder, images=2)
    carry_out(api, job)
    looked_at(page, f"/dashboard/jobs/{job['id']}")
    section = page.locator("#exports")
    section.get_by_text("Options").first.click()
    section.get_by_label("min score").fill("2")
    section.get_by_role("button", name="Export").click()
    expect(section.get_by_role("alert").first).to_contain_text("min_score")


def test_a_run_that_has_not_ended_offers_no_export(api: Api, tenant: Tenant, folder: Path, page: Page) -> None:
    job = new_job(tenant, folder, images=2)
    plan(api, job)
    looked_at(page, f"/dashboard/jobs/{job['id']}")
    expect(page.locator("#exports")).to_contain_text("A run can be exported when it has ended.")
    carry_out(api, job)
    expect(page.locator("#exports").get_by_role("button", name="Export")).to_be_visible()
