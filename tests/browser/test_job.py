from __future__ import annotations

import time
import uuid
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from fixtures.api.measured_tenant import every_third_fails, finished_job
from fixtures.api.running_api import Api, Tenant
from fixtures.worker.recorded_jobs import carry_out, claim_next, new_job, plan, record_shard, segmented
from samfleet.db.session import transaction
from samfleet.jobs.settle import fail_run
from samfleet.jobs.states import lock_run

pytestmark = pytest.mark.browser

WAIT_SECONDS = 15


def test_a_job_shows_its_times_failures_and_pictures(api: Api, tenant: Tenant, folder: Path, page: Page) -> None:
    job = finished_job(api, tenant, folder)
    page.goto(f"/dashboard/jobs/{job['id']}")
    chart = page.get_by_role("img", name="Mean time per image, by stage")
    expect(chart.locator("rect.length")).to_have_count(2 * 4)
    page.get_by_label("Include queue time").check()
    expect(chart.locator("rect.length")).to_have_count(2 * 5)
    assert page.url.endswith("?waiting=yes")
    widths = [
        float(width or 0)
        for width in chart.locator("rect.length").evaluate_all("all => all.map(r => r.width.baseVal.value)")
    ]
    assert sum(widths) > 500
    times = page.get_by_role("table", name="Time per image and stage, without warm-up")
    assert times.get_by_role("row").count() == 1 + 2 * 5
    failures = page.get_by_role("table", name="Failures by code and stage")
    expect(failures.get_by_role("row").nth(1)).to_contain_text("image_truncated")
    expect(failures.get_by_role("row").nth(1).get_by_role("cell").first).to_have_text("4")
    expect(failures.get_by_role("link", name="mobile_sam")).to_have_attribute(
        "href",
        f"/dashboard/jobs/{job['id']}/images?run={job['runs'][0]['id']}&outcome=failed&error_code=image_truncated",
    )
    expect(page.get_by_role("table", name="Quality over all images of the dataset").get_by_role("row")).to_have_count(
        1 + 2
    )


def test_the_gallery_distinguishes_failed_from_pending_images(
    api: Api, tenant: Tenant, folder: Path, page: Page
) -> None:
    job = new_job(tenant, folder, images=6, name="half done")
    plan(api, job)
    claimed = claim_next(api, job["runs"][0]["id"])
    assert claimed is not None
    record_shard(api, claimed, every_third_fails)
    claimed = claim_next(api, job["runs"][0]["id"])
    assert claimed is not None
    record_shard(api, claimed, every_third_fails)
    page.goto(f"/dashboard/jobs/{job['id']}")
    page.get_by_role("link", name="Show them on their own page").scroll_into_view_if_needed()
    tiles = page.locator("#gallery li:has(.name)")
    expect(tiles).to_have_count(6)
    assert tiles.evaluate_all("all => all.map((tile) => tile.firstChild.dataset.outcome).sort()") == [
        *["failed"],
        *["pending"] * 2,
        *["succeeded"] * 3,
    ]
    expect(page.locator("#gallery .bad")).to_contain_text("image_truncated")
    claimed = claim_next(api, job["runs"][0]["id"])
    assert claimed is not None
    record_shard(api, claimed)
    expect(page.locator("#gallery [data-outcome=pending]")).to_have_count(0)
    page.locator("#gallery").get_by_label("Outcome").select_option("failed")
    page.wait_for_url("**?outcome=failed")
    expect(tiles).to_have_count(1)


def test_the_rate_over_time_grows_while_the_job_runs(api: Api, tenant: Tenant, folder: Path, page: Page) -> None:
    job = new_job(tenant, folder, images=4, name="moving")
    plan(api, job)
    run_id = job["runs"][0]["id"]
    page.goto(f"/dashboard/jobs/{job['id']}")
    expect(page.locator("#throughput")).to_contain_text("Nothing recorded yet")
    for done in (2, 4):
        claimed = claim_next(api, run_id)
        assert claimed is not None
        record_shard(api, claimed)
        recorded = "all => all.reduce((sum, cell) => sum + Number(cell.textContent), 0)"
        expect(page.locator("#throughput tbody td:nth-child(2)").first).to_be_attached()
        expect(page.locator("#runs").get_by_role("cell", name=f"{done} of 4")).to_have_count(1)
        deadline = time.monotonic() + WAIT_SECONDS
        while page.locator("#throughput tbody td:nth-child(2)").evaluate_all(recorded) != done:
            assert time.monotonic() < deadline, "the chart does not move"
            page.wait_for_timeout(100)
    line = page.locator("#throughput polyline.line").get_attribute("points")
    assert line is not None
    heights = [float(point.split(",")[1]) for point in line.split()]
    assert len(heights) > 20
    assert max(heights) - min(heights) > 50


def test_a_failed_job_names_complete_runs_and_offers_their_results(
    api: Api, tenant: Tenant, folder: Path, page: Page
) -> None:
    job = new_job(tenant, folder, images=2, name="half failed", variants=["mobile_sam", "tinysam"])
    plan(api, job)
    [lost] = [run["id"] for run in job["runs"] if run["variant"] == "tinysam"]
    with transaction(api.engine) as session:
        locked = lock_run(session, uuid.UUID(lost))
        assert locked is not None
        fail_run(session, locked.job, locked.run, "variant_load_failed", "no weights")
    carry_out(api, {**job, "runs": [run for run in job["runs"] if run["id"] != lost]})
    page.goto(f"/dashboard/jobs/{job['id']}")
    expect(page.locator("p.bad").first).to_contain_text("complete, with all results: mobile_sam on pool")
    runs = page.get_by_role("table", name="Runs: one per variant and pool")
    expect(runs.get_by_role("columnheader", name="Error")).to_have_count(1)
    expect(runs.get_by_role("row", name="tinysam")).to_contain_text("no weights")
    expect(runs.get_by_role("link")).to_have_count(2)


def test_a_stalled_job_shows_why_and_since_when(api: Api, tenant: Tenant, folder: Path, page: Page) -> None:
    job = new_job(tenant, folder, images=2, name="waiting")
    plan(api, job)
    page.goto(f"/dashboard/jobs/{job['id']}")
    expect(page.get_by_role("status").filter(has_text="Waiting since")).to_contain_text("no worker of pool")
    runs = page.get_by_role("table", name="Runs: one per variant and pool")
    expect(runs.get_by_role("columnheader", name="Waiting for")).to_have_count(1)


def test_a_job_shows_when_it_will_be_deleted(api: Api, tenant: Tenant, folder: Path, page: Page) -> None:
    job = new_job(tenant, folder, name="short", keep_days=3)
    page.goto(f"/dashboard/jobs/{job['id']}")
    deleted = page.locator("dt:text-is('Deleted') + dd")
    expect(deleted).to_have_text("3 days after its end")
    tenant.http.post(f"/v1/jobs/{job['id']}/cancel")
    expect(deleted).to_contain_text("after ")  # without a reload


def test_a_job_is_cancelled_by_its_button(api: Api, tenant: Tenant, folder: Path, page: Page) -> None:
    job = new_job(tenant, folder, name="too much")
    page.goto(f"/dashboard/jobs/{job['id']}")
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Cancel the job").click()
    expect(page.locator(".head .state")).to_have_text("cancelled")
    expect(page.locator("dt", has_text="Ended")).to_have_count(1)  # without a reload
    assert tenant.http.get(f"/v1/jobs/{job['id']}").json()["state"] == "cancelled"


def test_a_job_is_paused_and_resumed_by_its_buttons(api: Api, tenant: Tenant, folder: Path, page: Page) -> None:
    job = new_job(tenant, folder, name="later")
    plan(api, job)
    page.goto(f"/dashboard/jobs/{job['id']}")
    expect(page.get_by_role("button", name="Resume the job")).to_be_hidden()
    page.get_by_role("button", name="Pause the job").click()
    expect(page.locator(".head .state")).to_have_text("paused")  # without a reload
    expect(page.get_by_role("button", name="Pause the job")).to_be_hidden()
    assert tenant.http.get(f"/v1/jobs/{job['id']}").json()["state"] == "paused"
    page.get_by_role("button", name="Resume the job").click()
    expect(page.locator(".head .state")).to_have_text("running")


def test_failed_images_are_retried_by_a_button(api: Api, tenant: Tenant, folder: Path, page: Page) -> None:
    job = new_job(tenant, folder, images=6, name="almost")
    carry_out(api, job, every_third_fails)
    page.goto(f"/dashboard/jobs/{job['id']}")
    expect(page.locator(".head .state")).to_have_text("completed with errors")
    page.get_by_role("button", name="Retry failed").click()
    expect(page.locator(".head .state")).to_have_text("running")
    expect(page.get_by_role("button", name="Retry failed")).to_be_hidden()
    assert tenant.http.get(f"/v1/jobs/{job['id']}").json()["state"] == "running"


def test_an_ended_job_without_results_shows_no_pending_state(
    api: Api, tenant: Tenant, folder: Path, page: Page
) -> None:
    job = new_job(tenant, folder, images=2, name="in vain")
    tenant.http.post(f"/v1/jobs/{job['id']}/cancel").raise_for_status()
    page.goto(f"/dashboard/jobs/{job['id']}")
    expect(page.locator("#throughput")).to_contain_text("Nothing was recorded")
    expect(page.locator("#stages")).to_contain_text("The job ended before any image after warm-up was recorded")
    expect(page.locator("#failures")).to_contain_text("No image was segmented, so none has failed.")
    page.locator("#gallery").scroll_into_view_if_needed()
    expect(page.locator("#gallery .missing")).to_have_text(["not segmented"] * 2)
    expect(page.locator("main > p.soft")).to_have_text("0 of 2 images")
    expect(page.locator("main")).not_to_contain_text("yet")


def test_the_line_over_time_ends_at_the_number_of_images(api: Api, tenant: Tenant, folder: Path, page: Page) -> None:
    job = finished_job(api, tenant, folder)
    page.goto(f"/dashboard/jobs/{job['id']}")
    expect(page.locator("#throughput polyline.line")).to_have_count(len(job["runs"]))
    tips = page.locator("#throughput [data-tip]").evaluate_all("all => all.map((mark) => mark.dataset.tip)")
    (run, _) = job["runs"]
    counts = [int(tip.rsplit(": ", 1)[1].removesuffix(" images")) for tip in tips if tip.startswith(run["variant"])]
    assert counts[0] == 0
    assert counts == sorted(counts)
    assert counts[-1] == run["counts"]["total"]


def test_an_axis_with_long_times_is_in_seconds(api: Api, tenant: Tenant, folder: Path, page: Page) -> None:
    job = new_job(tenant, folder, images=2, name="slow")
    carry_out(api, job, lambda image: segmented(image, encode_ms=25_000))
    page.goto(f"/dashboard/jobs/{job['id']}")
    chart = page.get_by_role("img", name="Mean time per image, by stage")
    expect(chart.locator("text.tick.title")).to_have_text("s")
    numbers = [float(text) for text in chart.locator("text.tick:not(.title)").all_text_contents()]
    assert 20 <= max(numbers) <= 30
