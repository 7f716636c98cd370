from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from fixtures.api.running_api import Tenant
from fixtures.servers.chromium import PHONE
from fixtures.worker.recorded_jobs import new_job

pytestmark = pytest.mark.browser

MARKUP = "<img src=x onerror=alert(1)>"


def query(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


@pytest.fixture
def labelled(tenant: Tenant, folder: Path, page: Page) -> Page:
    new_job(tenant, folder, images=1, name="shelves", labels={"team": "a", "round": "1"}, notes="first try")
    new_job(tenant, folder, images=1, name=MARKUP, labels={"team": "a", "round": "2"}, notes=f"like {MARKUP}\nand more")
    new_job(tenant, folder, images=1, name="windows", labels={"team": "b"})
    page.goto("/dashboard/jobs")
    return page


def names(page: Page) -> list[str]:
    return page.locator("#jobs tbody th a[href*='/jobs/']").all_text_contents()


def test_the_search_is_kept_in_the_address(labelled: Page) -> None:
    labelled.get_by_label("Name or notes").fill("FIRST")
    labelled.get_by_role("button", name="Search").click()
    labelled.wait_for_url("**?q=FIRST")
    expect(labelled.locator("#jobs tbody tr")).to_have_count(1)
    assert names(labelled) == ["shelves"]
    expect(labelled.get_by_label("Name or notes")).to_have_value("FIRST")
    labelled.get_by_label("Name or notes").fill("nothing has this")
    labelled.keyboard.press("Enter")
    expect(labelled.get_by_text("No job matches")).to_be_visible()


def test_labels_are_chosen_combined_and_removed(labelled: Page) -> None:
    row = labelled.locator("#jobs tr", has_text="shelves")
    row.get_by_role("link", name="team: a").click()
    labelled.wait_for_url("**?label=team*")
    expect(labelled.locator("#jobs tbody tr")).to_have_count(2)
    labelled.locator("#jobs tr", has_text="shelves").get_by_role("link", name="round: 1").click()
    expect(labelled.locator("#jobs tbody tr")).to_have_count(1)
    assert query(labelled) == {"label": ["team:a", "round:1"]}
    labelled.get_by_role("link", name="Remove the label team:a").click()
    expect(labelled.get_by_role("list", name="Chosen labels").get_by_role("link")).to_have_count(1)
    assert query(labelled) == {"label": ["round:1"]}
    labelled.go_back()
    assert query(labelled) == {"label": ["team:a", "round:1"]}


def test_what_users_write_is_shown_as_text(labelled: Page) -> None:
    link = labelled.locator("#jobs").get_by_role("link", name=MARKUP)
    expect(link).to_have_text(MARKUP)
    link.click()
    expect(labelled.get_by_role("heading", level=1)).to_have_text(MARKUP)
    expect(labelled.locator("dd .notes")).to_have_text(f"like {MARKUP}\nand more")
    expect(labelled.locator("main img[src=x]")).to_have_count(0)
    labelled.locator("dd").get_by_role("link", name="team: a").click()
    labelled.wait_for_url("**/dashboard/jobs?label=team*")
    expect(labelled.locator("#jobs tbody tr")).to_have_count(2)


def test_labels_fit_a_phone(labelled: Page, pictures: Path) -> None:
    expect(labelled.locator("#jobs tbody tr")).to_have_count(3)
    labelled.screenshot(path=pictures / "labels-desktop.png", full_page=True)
    labelled.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    labelled.goto("/dashboard/jobs?label=team%3Aa&q=s")
    expect(labelled.get_by_role("list", name="Chosen labels")).to_be_visible()
    expect(labelled.locator("[aria-busy]")).to_have_count(0)
    assert labelled.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    labelled.screenshot(path=pictures / "labels-phone.png", full_page=True)
