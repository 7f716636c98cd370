"""The page of the advice shows the API's answer, and its fields make the question."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from fixtures.api.running_api import Api, Tenant
from fixtures.servers.chromium import DESKTOP, PHONE, log_in, looked_at, visitor

pytestmark = pytest.mark.browser

QUESTION = "task=box&hardware=cpu&exclude_licence=AGPL&min_miou=0.74&max_memory_bytes=2147483648"
MEASURED = "table:has(caption:text-is('Measured on this hardware'))"


@pytest.fixture
def asker(browser: Browser, api: Api, advised: Tenant) -> Iterator[Page]:
    with visitor(browser, api.url) as page:
        log_in(page, advised.key)
        yield page


def ask(tenant: Tenant, question: str) -> dict[str, Any]:
    found: dict[str, Any] = tenant.http.get(f"/v1/reports/advise?{question}").json()
    return found


def test_the_page_shows_the_answer_of_the_api(asker: Page, advised: Tenant) -> None:
    looked_at(asker, f"/dashboard/advise?{QUESTION}")
    answer = ask(advised, QUESTION)
    expect(asker.locator("#summary")).to_have_text(answer["summary"])
    expect(asker.get_by_role("heading", name="Recommended")).to_be_visible()
    measured = [one for one in answer["candidates"] if one["hardware_id"]]
    rows = asker.locator(MEASURED).locator("tbody tr")
    expect(rows).to_have_count(len(measured))
    for place, one in enumerate(measured):
        row = rows.nth(place)
        expect(row).to_contain_text(f"{one['rank']}. {one['variant']}")
        expect(row).to_contain_text(one["status"])
        expect(row).to_contain_text("measured here")
    assert [asker.locator("ol code").nth(n).text_content() for n in range(len(answer["steps"]))] == [
        step["command"] for step in answer["steps"]
    ]
    expect(asker.locator("pre").first).to_have_text("SAMFLEET_ACCEPT_LICENSES=S-Lab-1.0")


def test_fields_make_the_question_and_stay_in_the_address(asker: Page) -> None:
    looked_at(asker, "/dashboard/advise")
    asker.get_by_label("Task").select_option("box")
    asker.wait_for_url("**?task=box")
    for label, text in (("Hardware", "cpu"), ("Maximum memory in GiB", "2"), ("Minimum mIoU", "0.74")):
        asker.get_by_label(label, exact=True).fill(text)
        asker.keyboard.press("Tab")
    asker.get_by_label("Excluded licence").select_option("AGPL")
    expect(asker.locator("#summary")).to_contain_text("edgesam in fp32")
    assert "max_memory_bytes=2147483648" in asker.url
    asker.get_by_label("Commercial use").check()
    expect(asker.locator("#summary")).to_contain_text("repvit_sam in fp32")
    asker.go_back()
    expect(asker.locator("#summary")).to_contain_text("edgesam in fp32")
    expect(asker.get_by_label("Commercial use")).not_to_be_checked()
    asker.get_by_label("Task").select_option("everything")
    expect(asker.get_by_label("Minimum AR")).to_be_visible()
    assert "min_miou" in asker.url  # both tasks have it


def test_a_quality_that_the_new_task_lacks_leaves_the_question(asker: Page) -> None:
    looked_at(asker, "/dashboard/advise?task=everything&min_ar=0.3")
    asker.get_by_label("Task").select_option("box")
    asker.wait_for_url("**?task=box")
    expect(asker.locator("#summary")).not_to_be_empty()


def test_an_unknown_hardware_is_explained(asker: Page) -> None:
    looked_at(asker, "/dashboard/advise?task=box&hardware=NVIDIA+L5")
    expect(asker.get_by_role("alert")).to_contain_text("did you mean NVIDIA L4")
    asker.get_by_role("link", name="Start without constraints").click()
    expect(asker.locator("#summary")).not_to_be_empty()


def test_a_published_machine_recommends_nothing(asker: Page) -> None:
    looked_at(asker, "/dashboard/advise?task=box&hardware=RTX+3090&max_latency_ms=30")
    expect(asker.get_by_role("heading", name="Nothing is recommended")).to_be_visible()
    expect(asker.locator("tbody tr").first).to_contain_text("published on RTX 3090")


@pytest.mark.parametrize(("device", "size"), [("desk", DESKTOP), ("phone", PHONE)])
def test_the_answer_fits_its_screen(
    browser: Browser, api: Api, advised: Tenant, pictures: Path, device: str, size: tuple[int, int]
) -> None:
    with visitor(browser, api.url, size) as page:
        log_in(page, advised.key)
        looked_at(page, f"/dashboard/advise?{QUESTION}")
        expect(page.locator("#summary")).to_contain_text("edgesam")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.screenshot(path=pictures / f"advice-{device}.png", full_page=True)
