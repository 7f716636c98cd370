"""The log on a job's page: levels, earlier lines, and new ones that come while the job runs."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from fixtures.api.running_api import Api, Tenant
from fixtures.servers.chromium import PHONE
from fixtures.worker.recorded_jobs import claim_next, failed, new_job, plan, record_shard
from samfleet.db.session import transaction
from samfleet.jobs.claim import Fault, release
from samfleet.jobs.stall import Reason

pytestmark = pytest.mark.browser


def test_new_lines_come_while_the_job_runs(api: Api, tenant: Tenant, folder: Path, page: Page, pictures: Path) -> None:
    job = new_job(tenant, folder, images=6, name="shelves")
    plan(api, job)
    page.goto(f"/dashboard/jobs/{job['id']}")
    lines = page.get_by_role("list", name="Log, oldest line first").get_by_role("listitem")
    expect(lines).to_have_count(4)
    expect(lines.first).to_contain_text("the job")
    run_id = job["runs"][0]["id"]
    for outcome in ("away", "failed"):
        claimed = claim_next(api, run_id)
        assert claimed is not None
        if outcome == "failed":
            record_shard(api, claimed, failed)
            continue
        away = Reason("triton_unavailable", "Triton at t:8001 does not answer")
        with transaction(api.engine) as session:
            assert release(
                session, claimed, error=away, retry_in=timedelta(minutes=1), max_attempts=5, fault=Fault.NOBODY
            )
        expect(lines).to_have_count(5)  # without a reload
        expect(lines.last).to_contain_text("Triton at t:8001 does not answer")
    expect(lines).to_have_count(8)
    expect(lines.last).to_contain_text("2 images failed with image_truncated: 2.png, 3.png")
    page.get_by_label("Show").select_option("warning")
    page.wait_for_url("**?log=warning")
    expect(lines).to_have_count(2)
    page.reload()
    expect(lines).to_have_count(2)
    tenant.http.post(f"/v1/jobs/{job['id']}/cancel")
    page.get_by_label("Show").select_option("error")
    expect(page.get_by_text("No line of this kind.")).to_be_visible()
    page.get_by_label("Show").select_option("")
    expect(lines).to_have_count(10)
    page.locator("#log").scroll_into_view_if_needed()
    page.screenshot(path=pictures / "log-desktop.png")
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    page.locator("#log").scroll_into_view_if_needed()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    page.screenshot(path=pictures / "log-phone.png")


def test_earlier_lines_are_read_on_request(tenant: Tenant, folder: Path, page: Page) -> None:
    job = new_job(tenant, folder)
    for number in range(100):
        tenant.http.patch(f"/v1/jobs/{job['id']}", json={"name": f"name {number}"}).raise_for_status()
    page.goto(f"/dashboard/jobs/{job['id']}")
    lines = page.locator(".log-line")
    expect(lines).to_have_count(100)
    page.get_by_role("button", name="Earlier lines").click()
    expect(lines).to_have_count(102)
    expect(lines.first).to_contain_text("queued")
    expect(page.get_by_role("button", name="Earlier lines")).to_be_hidden()
