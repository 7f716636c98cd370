"""Exports of a job's page: formats with their sizes, files that are built, downloaded, cancelled and deleted."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from fixtures.api.running_api import Api, Tenant
from fixtures.servers.chromium import PHONE, looked_at
from fixtures.worker.recorded_jobs import carry_out, new_job, plan
from samfleet.exports.build import build_export

pytestmark = pytest.mark.browser


@pytest.fixture
def job(api: Api, tenant: Tenant, folder: Path) -> dict[str, Any]:
    made = new_job(tenant, folder, images=4, name="shelves", variants=["mobile_sam", "tinysam"])
    carry_out(api, made)
    return made


def exports_of(page: Page, job: dict[str, Any]) -> Locator:
    looked_at(page, f"/dashboard/jobs/{job['id']}")
    section = page.locator("#exports")
    section.scroll_into_view_if_needed()
    return section


def test_an_export_is_sized_built_downloaded_and_deleted(
    api: Api, tenant: Tenant, job: dict[str, Any], page: Page, pictures: Path
) -> None:
    run_id = next(run["id"] for run in job["runs"] if run["variant"] == "tinysam")
    section = exports_of(page, job)
    section.get_by_label("Run").select_option("tinysam")
    section.get_by_text("Options for all formats").click()
    section.get_by_label("min area").fill("5")
    section.get_by_label("category name").fill("fish")
    section.get_by_label("one class").check()
    section.get_by_label("delete the file after (days)").fill("9")
    card = section.locator("[data-format=instances]")
    expect(card).to_contain_text("Images, annotations as RLE, categories and provenance")
    body = {"format": "instances", "options": {"min_area": 5, "category_name": "fish", "one_class": True}}
    expected = tenant.http.post(f"/v1/runs/{run_id}/exports/estimate", json=body).json()
    expect(card.locator(".size")).to_have_text(f"Exactly {expected['bytes'] / 1024:.1f} KiB")
    section.locator("summary", has_text="Look at and show").click()
    expect(section.locator("[data-format=overlays] .size")).to_have_text("Size known when it is built")
    section.get_by_label("review state").select_option("unreviewed")
    expect(card.locator(".size")).to_have_text("Size known when it is built")
    section.get_by_label("review state").select_option("all")
    section.get_by_role("button", name="Export COCO file", exact=True).click()
    row = section.locator("[data-export]")
    expect(row).to_contain_text("queued")
    expect(row).to_contain_text("min area 5, category name fish, one class true")
    expect(row).to_contain_text("kept 9 days")
    (export,) = tenant.http.get(f"/v1/runs/{run_id}/exports").json()["items"]
    build_export(api.engine, api.store, uuid.UUID(export["id"]), 1000)
    expect(row).to_contain_text("completed")  # the page asks again by itself
    expect(row).to_contain_text("deleted after")
    row.get_by_text("SHA-256").click()
    done = tenant.http.get(f"/v1/exports/{export['id']}").json()
    expect(row.locator("code.hash")).to_have_text(done["sha256"])
    assert done["bytes"] == expected["bytes"]
    page.screenshot(path=pictures / "exports-desktop.png", full_page=True)
    assert Axe().run(page).response["violations"] == []
    with page.expect_download() as download:
        row.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == f"shelves-tinysam-{run_id[:8]}.instances.json"
    assert json.loads(download.value.path().read_text())["categories"] == [{"id": 1, "name": "fish"}]
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    section.screenshot(path=pictures / "exports-phone.png")
    page.on("dialog", lambda dialog: dialog.accept())
    row.get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)
    assert tenant.http.get(f"/v1/runs/{run_id}/exports").json()["items"] == []


def test_an_export_that_is_not_built_yet_is_cancelled(tenant: Tenant, job: dict[str, Any], page: Page) -> None:
    section = exports_of(page, job)
    section.locator("summary", has_text="Train").click()
    section.get_by_role("button", name="Export YOLO segmentation").click()
    section.get_by_role("button", name="Cancel YOLO segmentation").click()
    expect(section.locator("[data-export]")).to_have_count(0)
    expect(section.get_by_role("status")).to_have_text("The export is cancelled.")


def test_a_wrong_option_is_refused_with_a_reason(job: dict[str, Any], page: Page) -> None:
    section = exports_of(page, job)
    section.get_by_text("Options for all formats").click()
    section.get_by_label("min score").fill("2")
    section.get_by_role("button", name="Export JSON lines").click()
    expect(section.get_by_role("alert")).to_contain_text("min_score")


def test_a_run_that_has_not_ended_offers_no_export(api: Api, tenant: Tenant, folder: Path, page: Page) -> None:
    job = new_job(tenant, folder, images=2)
    plan(api, job)
    looked_at(page, f"/dashboard/jobs/{job['id']}")
    expect(page.locator("#exports")).to_contain_text("A run can be exported when it has ended.")
    carry_out(api, job)
    expect(page.locator("#exports").get_by_role("button", name="Export JSON lines")).to_be_visible()
