"""The page that compares runs: choice, ranking, linked views, the list of masks, and what happens without results."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from fixtures.api.annotated_run import annotated_job
from fixtures.api.running_api import Api, Tenant, new_tenant
from fixtures.servers.chromium import PHONE, log_in, looked_at, visitor
from fixtures.worker.recorded_jobs import carry_out, failed, mask, new_job, segmented
from samfleet.comparisons.build import build_comparison
from samfleet.jobs.outcomes import ImageOutcome, Quality, ShardImage

pytestmark = pytest.mark.browser

IMAGES = 5
VARIANTS = ("mobile_sam", "repvit_sam", "sam_vit_b")


def outcomes_of(variant: str, image: ShardImage) -> ImageOutcome:
    """Return an outcome: in repvit_sam image 2 has a changed mask, image 3 lost and gained one, image 4 failed."""
    masks = {2: (mask(2, 12), mask(14, 22)), 3: (mask(2, 12), mask(26, 30))} if variant == "repvit_sam" else {}
    if variant == "repvit_sam" and image.image_id == 4:
        return failed(image)
    quality = Quality(2, 1.6 if variant == "mobile_sam" else 0.3 * image.image_id)
    return replace(segmented(image), masks=masks.get(image.image_id, (mask(2, 12), mask(14, 24))), quality=quality)


@dataclass(frozen=True)
class Compared:
    """A tenant with a job of three variants; `runs` are their ids."""

    tenant: Tenant
    runs: dict[str, str]

    def address(self, *variants: str, **fields: object) -> str:
        query = [f"run={self.runs[variant]}" for variant in variants] + [
            f"{name}={one}" for name, one in fields.items()
        ]
        return f"/dashboard/compare?{'&'.join(query)}"


@pytest.fixture(scope="module")
def compared(browser: Browser, api: Api) -> Iterator[Compared]:
    folder: Path = api.root / uuid.uuid4().hex
    folder.mkdir()
    with new_tenant(api) as tenant:
        job = new_job(tenant, folder, images=IMAGES, variants=list(VARIANTS), name="shelves")
        runs = {run["variant"]: run for run in job["runs"]}
        for variant, run in runs.items():
            carry_out(api, {**job, "runs": [run]}, partial(outcomes_of, variant))
        made = Compared(tenant, {variant: run["id"] for variant, run in runs.items()})
        sides = {"run_a": made.runs["mobile_sam"], "run_b": made.runs["repvit_sam"]}
        comparison = tenant.http.post("/v1/comparisons", json=sides).json()
        build_comparison(api.engine, api.store, uuid.UUID(comparison["id"]))
        yield made


@pytest.fixture
def page(browser: Browser, api: Api, compared: Compared) -> Iterator[Page]:
    with visitor(browser, api.url) as page:
        log_in(page, compared.tenant.key)
        yield page


def images_of(page: Page) -> list[str]:
    names: list[str] = page.locator(".compare-strip a > span:nth-child(2)").all_inner_texts()
    return names


def rows_of(page: Page) -> list[str]:
    """Return the rows of the list of masks: kind and IoU."""
    rows: list[list[str]] = [
        [span.inner_text() for span in row.locator("span").all()] for row in page.locator(".compare-row").all()
    ]
    return [f"{kind} {iou}" for _, kind, iou, _ in rows]


def test_images_are_ranked_and_the_first_one_is_shown(page: Page, compared: Compared) -> None:
    looked_at(page, compared.address("mobile_sam", "repvit_sam"))
    expect(page.get_by_role("heading", name="2.png")).to_be_visible()
    assert images_of(page) == ["2.png", "1.png", "0.png", "4.png"]
    assert "image=3" in page.url
    sums = page.locator(".compare-sums").inner_text()
    assert "Agreement\n0.850 panoptic quality" in sums
    assert "Lost\n1 of 8 masks in A" in sums
    assert "Images\n4 segmented in both runs" in sums
    assert rows_of(page) == ["lost no pair", "gained no pair", "same IoU 1.00"]
    page.get_by_label("Rank by").select_option("Loss of IoU from A to B")
    expect(page.locator(".compare-strip a").first).to_contain_text("0.65")
    assert images_of(page)[0] == "0.png"
    assert "sort=iou_change" in page.url


def test_views_zoom_together_and_to_a_mask_of_the_list(page: Page, compared: Compared) -> None:
    looked_at(page, compared.address("mobile_sam", "repvit_sam", "sam_vit_b", image=2))
    views = page.locator(".view")
    expect(views).to_have_count(3)
    expect(page.locator(".view.zoomed")).to_have_count(0)
    page.locator(".compare-row", has_text="changed").click()
    expect(page.locator(".view.zoomed")).to_have_count(3)
    expect(page.locator(".compare-row[aria-selected=true]")).to_contain_text("IoU 0.80")
    page.get_by_role("button", name="Show whole image").click()
    expect(page.locator(".view.zoomed")).to_have_count(0)
    views.nth(1).focus()
    page.keyboard.press("+")
    expect(page.locator(".view.zoomed")).to_have_count(3)


def test_the_list_works_by_keyboard_and_kinds_can_be_hidden(page: Page, compared: Compared) -> None:
    looked_at(page, compared.address("mobile_sam", "repvit_sam", image=3))
    listed = page.get_by_role("listbox")
    listed.focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".compare-row[aria-selected=true]")).to_contain_text("lost")
    page.keyboard.press("End")
    expect(page.locator(".compare-row[aria-selected=true]")).to_contain_text("same")
    page.keyboard.press("Escape")
    expect(page.locator(".compare-row[aria-selected=true]")).to_have_count(0)
    page.get_by_label(re.compile("^= same|same")).uncheck()
    expect(page.locator(".compare-row")).to_have_count(2)
    assert "hide=same" in page.url
    page.reload()
    expect(page.locator(".compare-row")).to_have_count(2)


def test_the_neighbours_of_an_image_are_those_of_the_ranking(page: Page, compared: Compared) -> None:
    looked_at(page, compared.address("mobile_sam", "repvit_sam"))
    expect(page.get_by_role("heading", name="2.png")).to_be_visible()
    page.get_by_role("button", name="Next image").click()
    expect(page.get_by_role("heading", name="1.png")).to_be_visible()
    expect(page.locator(".compare-strip a[aria-current]")).to_contain_text("1.png")
    page.locator(".compare-strip a", has_text="4.png").click()
    expect(page.get_by_role("heading", name="4.png")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="1.png")).to_be_visible()


def test_runs_are_chosen_and_compared(api: Api, page: Page, compared: Compared) -> None:
    looked_at(page, "/dashboard/compare")
    expect(page.get_by_text("Choose the reference first")).to_be_visible()
    page.get_by_label("A, the reference").select_option("sam_vit_b on default")
    expect(page.get_by_text("Choose a second run")).to_be_visible()
    page.get_by_label("Run B").select_option("repvit_sam on default")
    expect(page.get_by_role("heading", name="B: repvit_sam")).to_be_visible()
    assert compared.address("sam_vit_b", "repvit_sam") in page.url
    expect(page.locator(".compare-strip a")).to_have_count(IMAGES)
    assert images_of(page) == [f"{number}.png" for number in range(IMAGES)]  # of run A, in the order of the dataset
    page.get_by_role("button", name="Compare all images").click()
    expect(page.get_by_text("Waiting for a worker")).to_be_visible()
    found = compared.tenant.http.get("/v1/comparisons").json()["items"][0]
    build_comparison(api.engine, api.store, uuid.UUID(found["id"]))
    expect(page.locator(".compare-sums")).to_contain_text("Agreement")
    expect(page.locator(".compare-strip a")).to_have_count(4)
    compared.tenant.http.delete(f"/v1/comparisons/{found['id']}").raise_for_status()


def test_a_failed_image_is_shown_beside_the_others(page: Page, compared: Compared) -> None:
    looked_at(page, compared.address("mobile_sam", "repvit_sam", "sam_vit_b", image=4))
    expect(page.get_by_text("The image failed in this run: the file ends early").first).to_be_visible()
    page.get_by_label("Compare A with").select_option("C: sam_vit_b")
    expect(page.locator(".compare-row")).to_have_count(2)
    assert rows_of(page) == ["same IoU 1.00", "same IoU 1.00"]


def test_a_link_of_a_report_chooses_the_newest_runs(page: Page, compared: Compared) -> None:
    looked_at(page, "/dashboard/compare?variant=repvit_sam")
    expect(page.get_by_role("heading", name="A: repvit_sam")).to_be_visible()
    expect(page.get_by_role("heading", name="B: mobile_sam")).to_be_visible()
    assert f"run={compared.runs['repvit_sam']}" in page.url


def test_the_page_of_a_job_leads_to_its_runs(page: Page, compared: Compared) -> None:
    job_id = compared.tenant.http.get("/v1/jobs").json()["items"][0]["id"]
    looked_at(page, f"/dashboard/jobs/{job_id}")
    page.get_by_role("link", name="Compare the masks of the runs").click()
    expect(page.locator(".view")).to_have_count(3)


def test_a_run_that_does_not_exist_is_an_error_that_can_be_left(page: Page, compared: Compared) -> None:
    looked_at(page, f"/dashboard/compare?run={uuid.uuid4()}")
    expect(page.get_by_role("alert")).to_contain_text("does not exist")


@dataclass(frozen=True)
class Annotated:
    tenant: Tenant
    job_id: str
    run_id: str


@pytest.fixture(scope="module")
def annotated(browser: Browser, api: Api) -> Iterator[Annotated]:
    folder: Path = api.root / uuid.uuid4().hex
    folder.mkdir()
    with new_tenant(api) as tenant:
        job = annotated_job(api, tenant, folder, name="annotated")
        yield Annotated(tenant, job["id"], job["runs"][0]["id"])


@pytest.fixture
def annotated_page(browser: Browser, api: Api, annotated: Annotated) -> Iterator[Page]:
    with visitor(browser, api.url) as page:
        log_in(page, annotated.tenant.key)
        yield page


def test_one_run_is_compared_with_the_annotations(annotated_page: Page, annotated: Annotated) -> None:
    page = annotated_page
    looked_at(page, f"/dashboard/jobs/{annotated.job_id}")
    page.get_by_role("link", name="Compare the masks with the annotations").click()
    expect(page.get_by_role("heading", name="A: annotations")).to_be_visible()
    expect(page.get_by_role("heading", name="0.png")).to_be_visible()
    expect(page.locator(".view")).to_have_count(2)
    assert images_of(page)[0] == "0.png"
    assert "0.750 of the best mask" in page.get_by_role("region", name="All images").inner_text()
    assert rows_of(page) == ["lost no pair", "same IoU 1.00"]  # the second mask lies in a group
    expect(page.locator("figcaption").first).to_have_text("A: annotations 3 annotations")
    page.get_by_label("Rank by").select_option("Order of the dataset")
    expect(page.locator(".compare-strip a")).to_have_count(3)
    page.locator(".compare-strip a", has_text="2.png").click()
    expect(page.get_by_role("heading", name="2.png")).to_be_visible()
    assert rows_of(page) == ["gained no pair", "gained no pair"]


def test_the_page_of_an_image_leads_to_its_annotations_side_by_side(annotated_page: Page, annotated: Annotated) -> None:
    page = annotated_page
    looked_at(page, f"/dashboard/runs/{annotated.run_id}/images/1")
    page.get_by_role("link", name="Compare the masks with the annotations").click()
    expect(page.get_by_role("heading", name="0.png")).to_be_visible()
    assert f"reference=annotations&run={annotated.run_id}&image=1" in page.url


def test_the_annotations_are_chosen_and_left_again(page: Page, compared: Compared) -> None:
    looked_at(page, compared.address("mobile_sam", "repvit_sam"))
    page.get_by_label("A, the reference").select_option("The dataset's annotations")
    expect(page.get_by_role("heading", name="A: annotations")).to_be_visible()
    expect(page.get_by_role("heading", name="C: repvit_sam")).to_be_visible()
    page.get_by_label("A, the reference").select_option("sam_vit_b on default")
    expect(page.get_by_role("heading", name="A: sam_vit_b")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="A: annotations")).to_be_visible()
    looked_at(page, "/dashboard/compare?reference=annotations")
    page.get_by_label("Run B").select_option("mobile_sam on default")
    expect(page.get_by_role("heading", name="B: mobile_sam")).to_be_visible()


def test_a_phone_shows_the_views_below_each_other(browser: Browser, api: Api, compared: Compared) -> None:
    with visitor(browser, api.url, PHONE) as page:
        log_in(page, compared.tenant.key)
        looked_at(page, compared.address("mobile_sam", "repvit_sam", image=3))
        expect(page.locator(".view")).to_have_count(2)
        tops = [box["y"] for view in page.locator(".view").all() if (box := view.bounding_box())]
        assert tops[1] > tops[0] + 200
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_pictures_of_the_page(
    browser: Browser, api: Api, compared: Compared, annotated: Annotated, pictures: Path
) -> None:
    """Pictures to look at; they check that the page draws in each scheme."""
    for name, scheme, size in (
        ("light", "light", (1440, 1100)),
        ("dark", "dark", (1440, 1100)),
        ("phone", "light", PHONE),
    ):
        with visitor(browser, api.url, size, scheme) as page:  # type: ignore[arg-type]
            log_in(page, compared.tenant.key)
            looked_at(page, compared.address("mobile_sam", "repvit_sam", "sam_vit_b", image=3))
            expect(page.locator(".view")).to_have_count(3)
            page.screenshot(path=pictures / f"compare-{name}.png", full_page=True)
        with visitor(browser, api.url, size, scheme) as page:  # type: ignore[arg-type]
            log_in(page, annotated.tenant.key)
            looked_at(page, f"/dashboard/compare?reference=annotations&run={annotated.run_id}")
            expect(page.locator(".view")).to_have_count(2)
            page.screenshot(path=pictures / f"compare-annotations-{name}.png", full_page=True)
