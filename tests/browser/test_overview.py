from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from fixtures.api.measured_tenant import beat, finished_job
from fixtures.api.running_api import Api, Tenant
from fixtures.servers.chromium import log_in, visitor
from fixtures.worker.recorded_jobs import carry_out, claim_next, new_job, plan, record_shard

pytestmark = pytest.mark.browser


def test_progress_advances_while_a_job_runs(api: Api, tenant: Tenant, folder: Path, page: Page) -> None:
    job = new_job(tenant, folder, images=4, name="moving")
    plan(api, job)
    page.reload()
    bar = page.get_by_role("progressbar", name="Progress of moving")
    expect(bar).to_have_js_property("value", 0)
    run_id = job["runs"][0]["id"]
    line = page.locator("#running p.soft")
    for value in (0.5, 1):
        claimed = claim_next(api, run_id)
        assert claimed is not None
        record_shard(api, claimed)
        expect(bar).to_have_js_property("value", value)
        expect(line).to_contain_text(f"{4 * value:.0f} of 4 images")
    page.reload()
    expect(page.get_by_role("table", name="Jobs, newest first").get_by_role("row", name="moving")).to_contain_text(
        "4 of 4"
    )


def test_jobs_beyond_the_stream_limit_are_polled(api: Api, tenant: Tenant, folder: Path, page: Page) -> None:
    jobs = [new_job(tenant, folder, images=2, name=f"job {number}") for number in range(4)]
    page.reload()
    expect(page.locator("#running article")).to_have_count(4)
    for job in jobs:
        carry_out(api, job)
    two_rounds = 15_000  # ms; the page polls every five seconds
    expect(page.locator("#running .state", has_text="completed")).to_have_count(4, timeout=two_rounds)


def test_a_new_tenant_sees_that_nothing_was_submitted(page: Page) -> None:
    expect(page.get_by_text("No job is running")).to_be_visible()
    expect(page.get_by_text("No job has been submitted yet.")).to_be_visible()


def test_two_tenants_see_only_their_own_jobs(
    browser: Browser, api: Api, tenant: Tenant, other_tenant: Tenant, folder: Path, page: Page
) -> None:
    job = finished_job(api, tenant, folder)
    page.reload()
    page.get_by_role("link", name="shelves, second floor").wait_for()
    with visitor(browser, api.url) as stranger:
        log_in(stranger, other_tenant.key)
        expect(stranger.get_by_text("No job has been submitted yet.")).to_be_visible()
        stranger.goto(f"/dashboard/jobs/{job['id']}")
        expect(stranger.get_by_role("alert")).to_contain_text("does not exist")


def test_pools_show_their_queue_and_how_busy_their_devices_are(
    api: Api, tenant: Tenant, folder: Path, page: Page
) -> None:
    beat(api)
    plan(api, new_job(tenant, folder, images=5, name="waiting"))
    page.goto("/dashboard/")
    pool = page.locator("#pools article").first
    queue = tenant.http.get("/v1/pools").json()["items"][0]["queue"]
    images, shards = queue["images_waiting"], queue["shards_waiting"]
    assert images >= 5
    expect(pool).to_contain_text(f"{images:,} images in {shards:,} shards")
    device = pool.get_by_role("region", name="NVIDIA L4")
    expect(device.get_by_role("meter", name="Busy: 87.0 %")).to_have_js_property("value", 0.87)
    expect(device.get_by_role("meter", name="Memory: 6.0 of 24.0 GiB")).to_have_js_property("value", 0.25)
    expect(device).to_contain_text("68 W")
    expect(pool).to_contain_text("Triton 2.51")
    expect(pool).to_contain_text("lacks fixes of published faults")


def test_a_pool_shows_what_it_loads_and_works_on(
    api: Api, tenant: Tenant, folder: Path, page: Page, pictures: Path
) -> None:
    beat(api, loading={"sam_vit_h": datetime.now(UTC).isoformat()})
    job = new_job(tenant, folder, images=5, name="on the way")
    plan(api, job, shard_size=4)
    claim_next(api, job["runs"][0]["id"])
    page.goto("/dashboard/")
    pool, other = (page.locator("#pools article").nth(place) for place in (0, 1))
    expect(pool.get_by_role("list", name="Loading models")).to_contain_text("sam_vit_h, for")
    work = pool.get_by_role("list", name="Working on your jobs")
    expect(work).to_contain_text("on the way · mobile_sam · 4 images in 1 shard")
    expect(pool.locator(".state")).to_have_text("ready")
    expect(other.locator(".bad")).to_have_count(0)
    expect(other).to_contain_text("No worker runs, and no work waits for one.")
    page.screenshot(path=pictures / "pools.png", full_page=True)
    beat(api)
