"""The list of jobs: order, selection, actions on many, and edits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from fixtures.api.running_api import Api, Tenant
from fixtures.servers.chromium import PHONE
from fixtures.worker.recorded_jobs import carry_out, claim_next, failed, new_job, plan, record_shard

pytestmark = pytest.mark.browser

Jobs = Mapping[str, dict[str, Any]]
LONG = "a name that is long enough to take several lines on a phone, and shelves in it"


@pytest.fixture
def jobs(api: Api, tenant: Tenant, folder: Path, page: Page) -> Jobs:
    """Jobs of every kind: completed, failed, running, and three that wait."""
    labels = {"team": "shelves", "round": "2"}
    made = {name: new_job(tenant, folder, images=4, name=name, labels=labels) for name in ("done", "broken", "moving")}
    made |= {name: new_job(tenant, folder, images=2, name=name) for name in ("wait 1", "wait 2", LONG)}
    carry_out(api, made["done"])
    carry_out(api, made["broken"], failed)
    plan(api, made["moving"])
    page.goto("/dashboard/jobs")
    expect(page.locator("#jobs")).not_to_have_attribute("aria-busy", "true")
    return made


def names(page: Page) -> list[str]:
    return page.locator(".jobs-table tbody th > a").all_text_contents()


def choose(page: Page, *chosen: str) -> None:
    for name in chosen:
        page.get_by_role("checkbox", name=f"Select {name}", exact=True).check()


def test_columns_are_sorted_by_the_server_and_kept_in_the_address(jobs: Jobs, page: Page) -> None:
    assert names(page) == list(jobs)[::-1]
    page.get_by_role("link", name="Job", exact=True).click()
    page.wait_for_url("**/dashboard/jobs?sort=name")
    expect(page.locator("th[aria-sort=ascending]")).to_contain_text("Job")
    assert names(page) == sorted(jobs)
    page.get_by_role("link", name="Job", exact=True).click()
    page.wait_for_url("**?sort=-name")
    expect(page.locator("th[aria-sort=descending]")).to_contain_text("Job")
    assert names(page) == sorted(jobs, reverse=True)
    page.go_back()
    expect(page.locator("th[aria-sort=ascending]")).to_contain_text("Job")
    page.get_by_label("State").select_option("open")
    page.wait_for_url("**?sort=name&state=queued&state=running&state=paused")
    expect(page.locator(".jobs-table tbody tr")).to_have_count(4)
    expect(page.locator(".jobs-table caption")).to_have_text("4 jobs")


def test_rows_follow_the_progress_without_losing_the_choice(api: Api, jobs: Jobs, page: Page) -> None:
    choose(page, "moving")
    page.get_by_role("checkbox", name="Select moving").focus()
    row = page.get_by_role("row", name="moving")
    expect(row).to_contain_text("0 of 4")
    claimed = claim_next(api, jobs["moving"]["runs"][0]["id"])
    assert claimed is not None
    record_shard(api, claimed)
    expect(row).to_contain_text("2 of 4")
    expect(page.get_by_role("checkbox", name="Select moving")).to_be_checked()
    expect(page.get_by_role("checkbox", name="Select moving")).to_be_focused()
    started = row.locator("time").first
    assert started.get_attribute("datetime")
    assert started.get_attribute("title")


def test_refusals_of_an_action_are_listed_job_by_job(jobs: Jobs, page: Page) -> None:
    expect(page.get_by_role("button", name="Retry failed")).to_be_disabled()
    choose(page, "broken", "done", "wait 1")
    expect(page.get_by_text("3 jobs selected")).to_be_visible()
    page.get_by_role("button", name="Retry failed").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Retry failed 3 jobs").click()
    expect(dialog).to_contain_text("1 job retried.")
    expect(dialog).to_contain_text("2 jobs could not be changed:")
    rows = dialog.get_by_role("table", name="Jobs that could not be changed").locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.filter(has_text="wait 1")).to_contain_text("job_not_retryable")
    dialog.get_by_role("button", name="Close").click()
    expect(page.get_by_role("row", name="broken")).to_contain_text("running")
    expect(page.get_by_text("No job selected")).to_be_visible()


def test_all_that_match_are_deleted_after_a_typed_confirmation(tenant: Tenant, jobs: Jobs, page: Page) -> None:
    page.get_by_label("Name or notes").fill("wait")
    page.keyboard.press("Enter")
    expect(page.locator(".jobs-table caption")).to_have_text("2 jobs")
    page.get_by_role("checkbox", name="Select all jobs of this page").check()
    page.get_by_role("button", name="Delete", exact=True).click()
    dialog = page.get_by_role("dialog")
    send = dialog.get_by_role("button", name="Delete 2 jobs")
    expect(send).to_be_disabled()
    dialog.get_by_label("To confirm, type delete 2").fill("delete 3")
    expect(send).to_be_disabled()
    dialog.get_by_label("To confirm, type delete 2").fill("delete 2")
    send.click()
    expect(dialog).to_contain_text("2 jobs could not be changed:")  # they have not ended
    expect(dialog).to_contain_text("job_not_finished")
    dialog.get_by_role("button", name="Close").click()
    choose(page, "wait 1")
    page.get_by_role("button", name="Delete", exact=True).click()
    dialog.get_by_label("Cancel jobs that still run first").check()
    dialog.get_by_label("To confirm, type delete 1").fill("delete 1")
    page.keyboard.press("Enter")
    expect(dialog).to_contain_text("1 job deleted.")
    page.keyboard.press("Escape")
    expect(page.locator(".jobs-table tbody tr")).to_have_count(1)
    left = {job["name"] for job in tenant.http.get("/v1/jobs").json()["items"]}
    assert left == set(jobs) - {"wait 1"}


def test_more_jobs_than_a_page_are_chosen_by_the_filter(tenant: Tenant, folder: Path, page: Page) -> None:
    first = new_job(tenant, folder, images=1)
    for _ in range(50):
        body = {"rerun_of": first["id"], "labels": {"batch": "x"}}
        tenant.http.post("/v1/jobs", json=body).raise_for_status()
    page.goto("/dashboard/jobs?state=queued")
    expect(page.locator(".jobs-table tbody tr")).to_have_count(50)
    page.get_by_role("checkbox", name="Select all jobs of this page").check()
    page.get_by_role("button", name="Select all 51 that match").click()
    expect(page.get_by_text("51 jobs selected")).to_be_visible()
    page.get_by_role("button", name="Cancel", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Cancel 51 jobs").click()
    expect(dialog).to_contain_text("51 jobs cancelled.")
    dialog.get_by_role("button", name="Close").click()
    expect(page.get_by_text("No job matches")).to_be_visible()
    page.get_by_role("link", name="All jobs").click()
    page.get_by_role("link", name="Next page").click()
    expect(page.locator(".jobs-table tbody tr")).to_have_count(1)
    page.get_by_role("link", name="First page").click()
    expect(page.locator(".jobs-table tbody tr")).to_have_count(50)


def test_name_labels_and_notes_are_edited(tenant: Tenant, jobs: Jobs, page: Page) -> None:
    page.get_by_role("button", name="Edit done").click()
    dialog = page.get_by_role("dialog", name="Edit done")
    dialog.get_by_label("Name").fill("renamed")
    dialog.get_by_label("Labels").fill("team: windows\nnew")
    dialog.get_by_label("Notes").fill("<b>checked</b>")
    dialog.get_by_role("button", name="Save").click()
    row = page.get_by_role("row", name="renamed")
    expect(row).to_contain_text("team: windows")
    expect(row).to_contain_text("<b>checked</b>")
    expect(row).not_to_contain_text("round")
    job = tenant.http.get(f"/v1/jobs/{jobs['done']['id']}").json()
    assert (job["name"], job["labels"], job["notes"]) == ("renamed", {"team": "windows", "new": ""}, "<b>checked</b>")
    page.get_by_role("button", name="Edit renamed").click()
    page.get_by_role("dialog").get_by_label("Labels").fill("not valid: x")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("not a valid key")


def test_results_of_many_jobs_are_exported(tenant: Tenant, jobs: Jobs, page: Page) -> None:
    choose(page, "done", "broken")
    page.get_by_role("button", name="Export").click()
    page.get_by_role("dialog").get_by_label("Format").select_option("yolo")
    page.get_by_role("dialog").get_by_role("button", name="Export 2 jobs").click()
    expect(page.get_by_role("dialog")).to_contain_text("2 jobs exported.")
    for name in ("done", "broken"):
        run = jobs[name]["runs"][0]["id"]
        assert [one["format"] for one in tenant.http.get(f"/v1/runs/{run}/exports").json()["items"]] == ["yolo"]


@pytest.mark.usefixtures("jobs")
def test_the_list_fits_a_phone_and_old_addresses_lead_to_it(page: Page, pictures: Path) -> None:
    page.goto("/dashboard/?label=team%3Ashelves")
    page.wait_for_url("**/dashboard/jobs?label=team%3Ashelves")
    expect(page.locator(".jobs-table tbody tr")).to_have_count(3)
    page.goto("/dashboard/jobs")
    choose(page, "done", "broken")
    page.screenshot(path=pictures / "jobs-chosen.png", full_page=True)
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    page.screenshot(path=pictures / "jobs-phone.png", full_page=True)
    page.get_by_role("button", name="Delete", exact=True).click()
    page.screenshot(path=pictures / "jobs-delete-phone.png")


def test_one_job_is_deleted_from_its_page(tenant: Tenant, jobs: Jobs, page: Page) -> None:
    for name, gone in (("wait 1", False), ("done", True)):
        page.goto(f"/dashboard/jobs/{jobs[name]['id']}")
        page.get_by_role("button", name="Delete the job").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("To confirm, type delete 1").fill("delete 1")
        dialog.get_by_role("button", name="Delete 1 job").click()
        dialog.get_by_role("button", name="Close", exact=True).click()
        if gone:
            page.wait_for_url("**/dashboard/jobs")
        else:
            expect(page.get_by_role("heading", level=1)).to_have_text(name)
        assert tenant.http.get(f"/v1/jobs/{jobs[name]['id']}").status_code == (404 if gone else 200)


def test_a_dialog_closed_too_early_waits_for_its_request(jobs: Jobs, page: Page) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/v1/job-actions*", hold)
    for name, gone in (("wait 1", False), ("done", True)):
        page.goto(f"/dashboard/jobs/{jobs[name]['id']}")
        page.get_by_role("button", name="Delete the job").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("To confirm, type delete 1").fill("delete 1")
        with page.expect_request("**/v1/job-actions*"):
            dialog.get_by_role("button", name="Delete 1 job").click()
        dialog.get_by_role("button", name="Close", exact=True).click()
        expect(dialog).to_have_count(0)
        expect(page).to_have_url(re.compile(jobs[name]["id"]))
        with page.expect_response("**/v1/job-actions*"):
            held.pop().continue_()
        if gone:
            page.wait_for_url("**/dashboard/jobs")
        else:
            expect(page.get_by_role("heading", level=1)).to_have_text(name)
