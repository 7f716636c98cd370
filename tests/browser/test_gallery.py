"""Images of a run: filters, orders, other variants without a reload, and lists of any length."""

from __future__ import annotations

import re
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from benchmarks.scale.rows import write_dataset, write_job
from fixtures.api.running_api import Api, Tenant
from fixtures.worker.recorded_jobs import carry_out, failed, mask, new_job, segmented
from samfleet.db.models import Job
from samfleet.db.session import transaction
from samfleet.jobs.outcomes import ImageOutcome, ShardImage
from samfleet_api.runs import image_listing

pytestmark = pytest.mark.browser

LARGE = 100_000
MOST_TILES = 120  # of a window of 1280 x 900 with the rows around it


def various(image: ShardImage) -> ImageOutcome:
    """Return an outcome by the image's number: the third fails, and others have 0 to 3 masks of falling scores."""
    if image.image_id == 3:
        return failed(image)
    score = 1 - image.image_id / 100
    masks = tuple(replace(mask(), predicted_iou=score) for _ in range(image.image_id % 4))
    return replace(segmented(image, encode_ms=float(image.image_id)), masks=masks)


@pytest.fixture
def job(api: Api, tenant: Tenant, folder: Path) -> dict[str, Any]:
    made = new_job(tenant, folder, images=30, name="thirty", variants=["mobile_sam", "sam_vit_b"])
    carry_out(api, made, various)
    return made


def names(page: Page) -> list[str]:
    """Return the file names of the tiles in the order of the list."""
    script = (
        "all => all.sort((a, b) => a.dataset.index - b.dataset.index).map(li => li.querySelector('.name').textContent)"
    )
    found: list[str] = page.locator("#gallery li:has(.name)").evaluate_all(script)
    return found


def choice(page: Page, label: str) -> Locator:
    """Return a field by its label; the name of a field in its label has the texts of its options too."""
    return page.locator("#gallery label", has_text=re.compile(f"^{label}")).locator("select")


def open_images(page: Page, job: dict[str, Any], query: str = "") -> None:
    page.goto(f"/dashboard/jobs/{job['id']}/images{query}")
    expect(page.locator("#gallery .tile.empty")).to_have_count(0)
    expect(page.locator("#gallery").get_by_role("status")).not_to_have_text("Loading…")


def test_the_page_of_a_job_shows_its_first_images(page: Page, job: dict[str, Any]) -> None:
    page.goto(f"/dashboard/jobs/{job['id']}")
    page.get_by_role("link", name="All 30 images").scroll_into_view_if_needed()
    expect(page.locator("#gallery li[data-index='23']")).to_contain_text(".png")
    page.locator("#gallery").get_by_label("Outcome").select_option("succeeded")
    page.get_by_role("link", name="All matching images").click()
    expect(page.locator("#gallery").get_by_role("status")).to_have_text("29 matching images.")
    expect(page.get_by_label("Outcome")).to_have_value("succeeded")


def test_images_are_filtered_and_sorted(page: Page, job: dict[str, Any]) -> None:
    open_images(page, job)
    assert len(names(page)) == 30
    page.get_by_label("Sort by").select_option("lowest predicted IoU")
    page.wait_for_url("**?sort=predicted_iou")
    expect(page.get_by_role("status")).to_have_text("22 matching images. Images without this figure are not listed.")
    first = page.locator("#gallery li[data-index='0']")
    expect(first).to_contain_text("predicted IoU 0.70")
    page.get_by_label("Masks, at least").fill("3")
    page.get_by_label("Masks, at least").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("6 matching images")
    expect(first).to_contain_text("3 masks")
    page.get_by_role("button", name="Clear filters").click()
    expect(page.get_by_role("status")).to_have_text("30 images")
    page.get_by_label("Error").select_option("image truncated")
    expect(page.get_by_role("status")).to_have_text("1 matching image.")
    expect(page.get_by_label("Sort by")).to_have_count(0)
    page.go_back()
    expect(page.get_by_role("status")).to_have_text("30 images")


def test_another_variant_is_shown_without_a_reload(page: Page, job: dict[str, Any]) -> None:
    open_images(page, job)
    page.evaluate("window.stays = true")
    runs = {run["variant"]: run["id"] for run in job["runs"]}
    expect(page.locator("#gallery li a").first).to_have_attribute("href", re.compile(job["runs"][0]["id"]))
    page.mouse.wheel(0, 500)
    expect(page.locator("#gallery li[data-index='29']")).to_have_count(1)
    top = page.evaluate("scrollY")
    assert top > 100
    choice(page, "Run").select_option("sam_vit_b")
    expect(page.locator("#gallery li a").first).to_have_attribute("href", re.compile(runs["sam_vit_b"]))
    assert abs(page.evaluate("scrollY") - top) < 300  # the same row of images
    page.go_back()
    expect(choice(page, "Run")).to_have_value(runs[job["runs"][0]["variant"]])
    assert page.evaluate("window.stays") is True


def test_a_search_goes_through_all_parts_of_a_run(
    page: Page, job: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_listing, "SEARCHED_AT_ONCE", 4)
    open_images(page, job)
    page.get_by_label("File name").fill("9.png")
    page.get_by_label("File name").press("Enter")
    page.wait_for_url("**?file_name=9.png")
    expect(page.get_by_role("status")).to_have_text("3 matching images.")
    assert names(page) == ["19.png", "29.png", "9.png"]
    page.goto(f"/dashboard/jobs/{job['id']}/images?file_name=nowhere")
    expect(page.locator("#gallery")).to_contain_text("No matching images")


def large_job(api: Api, tenant: Tenant, job: dict[str, Any]) -> str:
    with transaction(api.engine) as session:
        tenant_id = session.get_one(Job, uuid.UUID(job["id"])).tenant_id
    dataset_id = write_dataset(api.engine, tenant_id, LARGE)
    return str(write_job(api.engine, tenant_id, dataset_id, LARGE, LARGE).job_id)


def test_a_hundred_thousand_images_are_scrolled_with_few_tiles(
    api: Api, tenant: Tenant, page: Page, folder: Path
) -> None:
    job = {"id": large_job(api, tenant, new_job(tenant, folder, images=1))}
    open_images(page, job)
    expect(page.get_by_role("status")).to_have_text("100,000 images")
    tiles = page.locator("#gallery li")
    page.locator("#gallery li a").first.focus()
    page.keyboard.press("End")
    last = page.locator(f"#gallery li[data-index='{LARGE - 1}']")
    expect(last).to_contain_text("00099999.jpg")
    expect(last.locator(":focus")).to_have_count(1)
    assert tiles.count() < MOST_TILES
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight / 2)")
    expect(page.locator("#gallery li", has_text="0005").nth(30)).to_be_attached()
    assert tiles.count() < MOST_TILES
    middle = page.evaluate("scrollY")
    page.locator("#gallery li a", has_text="0005").nth(20).click()
    page.wait_for_url("**/runs/*/images/*")
    page.go_back()
    expect(page.locator("#gallery li", has_text="0005").nth(30)).to_be_attached()
    assert abs(page.evaluate("scrollY") - middle) < 1000


def test_a_sorted_list_is_loaded_while_it_is_scrolled(api: Api, tenant: Tenant, page: Page, folder: Path) -> None:
    job = {"id": large_job(api, tenant, new_job(tenant, folder, images=1))}
    open_images(page, job, "?sort=-image_ms")
    expect(page.get_by_role("status")).to_contain_text("More than 100 matching images")
    for _ in range(4):
        page.mouse.wheel(0, 4000)
        expect(page.locator("#gallery .tile.empty")).to_have_count(0)
    expect(page.get_by_role("status")).not_to_contain_text("More than 100 ")
    assert page.locator("#gallery li").count() < MOST_TILES
