"""axe-core finds no violation on any page, and the keyboard reaches every control."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from fixtures.api.measured_tenant import beat
from fixtures.api.running_api import Api, Tenant
from fixtures.servers.chromium import DOCS_MS, PHONE, looked_at, pages_of, visitor
from fixtures.worker.recorded_jobs import new_job, plan

pytestmark = pytest.mark.browser

SCHEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")


def violations(page: Page) -> list[str]:
    """Return each violation with its rule and its place.

    The page's policy stays in force, because the debugger injects axe.
    """
    found = Axe().run(page).response["violations"]
    return [f"{one['impact']}: {one['help']}: {node['html'][:200]}" for one in found for node in one["nodes"]]


def test_axe_finds_nothing_on_any_page(api: Api, measured: Tenant, folder: Path, reader: Page) -> None:
    beat(api)
    plan(api, new_job(measured, folder, images=4, name="waiting"))
    found = {}
    for name, address in pages_of(measured).items():
        looked_at(reader, address)
        for folded in reader.locator("details:not(.picker)").all():
            folded.evaluate("details => { details.open = true; }")
        for scheme in SCHEMES:
            reader.emulate_media(color_scheme=scheme)
            found[name, scheme] = violations(reader)
    assert {name: problems for name, problems in found.items() if problems} == {}


def test_axe_finds_nothing_on_pages_without_a_login(browser: Browser, api: Api) -> None:
    with visitor(browser, api.url, PHONE) as page:
        page.goto("/dashboard/login")
        page.get_by_label("API key").fill("sf_wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).not_to_be_empty()
        assert violations(page) == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_finds_nothing_in_the_api_documentation(
    page: Page, scheme: Literal["light", "dark"], pictures: Path
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto("/docs")
    page.get_by_text("Cancel a job", exact=True).click(timeout=DOCS_MS)
    expect(page.get_by_role("button", name="Try it out")).to_be_visible()
    page.screenshot(path=pictures / f"docs-{scheme}.png")
    assert violations(page) == []


def test_axe_finds_nothing_in_an_open_list_of_choices(reader: Page) -> None:
    looked_at(reader, "/dashboard/reports/latency?variant=mobile_sam")
    reader.locator("details.picker summary").first.click()
    assert violations(reader) == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_finds_nothing_in_the_dialogs_of_jobs(reader: Page, scheme: Literal["light", "dark"]) -> None:
    reader.emulate_media(color_scheme=scheme)
    looked_at(reader, "/dashboard/jobs")
    reader.get_by_role("checkbox", name="Select all jobs of this page").check()
    for action in ("Delete", "Export", "Cancel"):
        reader.get_by_role("button", name=action, exact=True).click()
        expect(reader.get_by_role("dialog")).to_be_visible()
        assert violations(reader) == []
        reader.keyboard.press("Escape")
    reader.get_by_role("button", name="Edit").first.click()
    expect(reader.get_by_role("dialog")).to_be_visible()
    assert violations(reader) == []


FOCUSED = """() => {
    const element = document.activeElement;
    const name = element.id || element.textContent.trim() || element.type;
    return [element.tagName, name, getComputedStyle(element).outlineStyle];
}"""


def stops(page: Page, most: int = 150) -> list[str]:
    """Return the elements that Tab visits, in order, and check that each shows a focus ring."""
    found: list[str] = []
    for _ in range(most):
        page.keyboard.press("Tab")
        tag, name, frame = page.evaluate(FOCUSED)
        if tag == "BODY":
            break
        if name in found[-1:]:  # the parts of a date are separate stops inside the field's focus ring
            continue
        assert frame != "none", name
        found.append(name)
    return found


def test_tab_goes_through_a_report_in_reading_order(reader: Page) -> None:
    looked_at(reader, "/dashboard/reports/cost")
    found = stops(reader)
    wanted = ["Skip to the content", "Overview", "Reports", "Variants", "Log out", "Latency", "Trend", "Variant: any"]
    wanted += [
        "filter-since",
        "Clear filters",
        "view-by_row",
        "Copy link",
        "Download CSV",
        "Reproduce this report: link, API request, command",
    ]
    assert [name for name in found if name in wanted] == wanted


def test_the_first_tab_stop_skips_the_header(reader: Page) -> None:
    looked_at(reader, "/dashboard/reports/latency")
    reader.keyboard.press("Tab")
    expect(reader.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    reader.keyboard.press("Enter")
    reader.keyboard.press("Tab")
    expect(reader.locator("main :focus")).to_have_count(1)


def test_choices_can_be_made_by_keyboard(reader: Page) -> None:
    looked_at(reader, "/dashboard/reports/latency")
    reader.locator("details.picker summary").first.focus()
    reader.keyboard.press("Enter")
    reader.keyboard.press("Tab")
    reader.keyboard.press("Space")
    reader.wait_for_url("**?variant=mobile_sam")
    reader.keyboard.press("Escape")
    expect(reader.locator("details.picker[open]")).to_have_count(0)
    expect(reader.locator("details.picker summary").first).to_be_focused()
