"""Reports of a tenant with many parameters, datasets, variants and code versions stay readable."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, StorageState, expect

from fixtures.api.running_api import Api, Tenant
from fixtures.servers.chromium import PHONE, looked_at, visitor

pytestmark = pytest.mark.browser


@pytest.fixture
def varied_page(browser: Browser, api: Api, varied: tuple[Tenant, StorageState]) -> Iterator[Page]:
    with visitor(browser, api.url, session=varied[1]) as page:
        yield page


def names(page: Page) -> list[str]:
    """Return the full names of the rows of a chart: the first lines of their tooltips."""
    tips = page.locator(".results svg .mark").evaluate_all("all => all.map((mark) => mark.dataset.tip)")
    return [tip.splitlines()[0] for tip in tips]


def headings(page: Page) -> list[str]:
    return page.locator(".results .rows thead th").all_text_contents()


@pytest.mark.parametrize("address", ["compare", "compare?by=variant", "compare?by=variant&a=tinysam&b=tinysam"])
def test_a_comparison_opens_on_two_sides_with_common_work(varied_page: Page, address: str) -> None:
    looked_at(varied_page, f"/dashboard/reports/{address}")
    expect(varied_page.locator("path.ratio").first).to_be_visible()
    a, b = (varied_page.locator(f"#view-{side} option:checked").inner_text() for side in "ab")
    assert a != b
    described = varied_page.locator(".results dl").first
    expect(described).to_contain_text(a)
    expect(described).to_contain_text(b)


def test_a_side_without_common_work_says_so(varied_page: Page) -> None:
    looked_at(varied_page, "/dashboard/reports/compare?by=variant&a=efficient_sam_ti&b=mobile_sam")
    expect(varied_page.get_by_role("heading", name="Nothing in common to compare")).to_be_visible()
    expect(varied_page.locator(".notice")).to_contain_text("Only measurements of the same task")
    expect(varied_page.locator("#view-b option:checked")).to_contain_text("nothing in common")


def test_many_verdicts_are_summed_up(varied_page: Page) -> None:
    looked_at(varied_page, "/dashboard/reports/compare?by=hardware")
    expect(varied_page.locator(".summed")).to_contain_text("NVIDIA L4 is faster than AMD EPYC 9654 (8 threads)")
    pairs = varied_page.locator(".verdicts li")
    assert pairs.count() == varied_page.locator("path.ratio").count()
    expect(pairs.first).to_be_hidden()


@pytest.mark.parametrize("report", ["latency", "throughput", "quality", "compare"])
def test_rows_have_different_names_without_digests(
    varied_page: Page, report: str, varied: tuple[Tenant, object]
) -> None:
    looked_at(varied_page, f"/dashboard/reports/{report}")
    found = names(varied_page)
    assert len(found) == len(set(found)) > len("a few rows")
    digests = varied[0].http.get("/v1/reports/latency", params={"stage": "image"}).json()["parameters"]
    assert not [name for name in found if any(digest in name for digest in digests)]


def test_figures_say_of_how_many_images_they_are(varied_page: Page) -> None:
    looked_at(varied_page, "/dashboard/reports/latency?dataset=one photograph")
    for value in varied_page.locator(".results svg .value").all_text_contents():
        assert value.endswith("one image")
    expect(varied_page.locator(".results .card").first).to_contain_text("p99 is close to the slowest image")


def test_the_figures_follow_the_name_on_a_phone(varied_page: Page) -> None:
    looked_at(varied_page, "/dashboard/reports/latency")
    assert headings(varied_page)[:3] == ["Variant", "Hardware", "Code"]
    width, height = PHONE
    varied_page.set_viewport_size({"width": width, "height": height})
    expect(varied_page.locator(".results .rows thead th").nth(1)).to_have_text("p50")
    expect(varied_page.locator(".results .rows tbody th").first).to_contain_text(
        "AMD EPYC 9654 (8 threads) · code 0.9.1"
    )
    figure: Locator = varied_page.locator(".results .rows tbody td").first
    figure.scroll_into_view_if_needed()
    box = figure.bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= width


def test_a_line_of_the_trend_goes_on_across_versions_and_marks_them(varied_page: Page) -> None:
    looked_at(varied_page, "/dashboard/reports/trend?variant=sam_vit_b&dataset=coco val 2017")
    expect(varied_page.locator(".panels .change-name")).to_have_text(["0.9.0", "0.9.1"])
    eight = varied_page.locator(".panels .legend li", has_text="8 points per side")
    expect(eight).to_have_count(2)  # one line for each machine, not for each version
    assert not [name for name in names(varied_page) if "code" in name]


def test_the_parameters_are_named_by_their_tasks(varied_page: Page) -> None:
    looked_at(varied_page, "/dashboard/reports/latency?variant=mobile_sam")
    varied_page.locator(".rows .task a", has_text="prompts, box").first.click()
    opened = varied_page.locator(".parameters[open] summary")
    expect(opened).to_contain_text("prompts, box · mobile_sam")
    expect(opened).to_be_in_viewport()


def test_the_report_of_a_job_is_downloaded_and_opens_without_the_server(
    varied_page: Page, varied: tuple[Tenant, object], tmp_path: Path
) -> None:
    job = varied[0].http.get("/v1/jobs", params={"q": "shop shelves"}).json()["items"][-1]
    for address, name in (
        (f"/dashboard/jobs/{job['id']}", "Report to share (HTML)"),
        (f"/dashboard/reports/latency?job={job['id']}", "Report of this job (HTML)"),
    ):
        looked_at(varied_page, address)
        with varied_page.expect_download() as begun:
            varied_page.get_by_role("link", name=name).click()
        begun.value.save_as(tmp_path / "report.html")
        assert begun.value.suggested_filename.endswith(".html")
    varied_page.context.set_offline(True)
    varied_page.goto(f"file://{tmp_path}/report.html")
    expect(varied_page.get_by_role("heading", name=job["name"])).to_be_visible()
    pictures = varied_page.locator("img").evaluate_all("all => all.map((one) => one.naturalWidth)")
    assert pictures
    assert all(pictures)
    assert varied_page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for scheme in ("light", "dark"):
        varied_page.emulate_media(color_scheme=scheme)
        found = Axe().run(varied_page).response["violations"]
        assert [(one["help"], node["html"][:200]) for one in found for node in one["nodes"]] == []
