"""The survey page shows the tables of `GET /v1/reports/survey`, measured and published figures apart."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from fixtures.api.running_api import Tenant

pytestmark = pytest.mark.browser


def tables(tenant: Tenant, **params: Any) -> dict[str, dict[str, Any]]:
    answer = tenant.http.get("/v1/reports/survey", params=params)
    assert answer.status_code == 200, answer.text
    return {table["key"]: table for table in answer.json()["tables"]}


def opened(page: Page, query: str = "") -> None:
    page.goto(f"/dashboard/survey{query}")
    expect(page.locator("#recall")).to_be_visible()
    expect(page.locator("[aria-busy]")).to_have_count(0)


def cells(table: Locator) -> list[list[str]]:
    found: list[list[str]] = table.locator("tbody tr").evaluate_all(
        "rows => rows.map((row) => [...row.cells].map((cell) => cell.textContent))"
    )
    return found


def test_every_table_has_its_rows_and_a_bar_for_each_measured_one(reader: Page, measured: Tenant) -> None:
    opened(reader)
    found = tables(measured)
    for key, table in found.items():
        card = reader.locator(f"#{key}")
        expect(card.get_by_role("heading", level=2)).to_contain_text(table["title"])
        shown = card.locator("table").first
        if table["rows"]:
            assert len(cells(shown)) == len(table["rows"])
    everything = found["everything"]["rows"]
    assert len(everything) > 3
    expect(reader.locator("#everything svg rect.length")).to_have_count(len(everything))
    first = cells(reader.locator("#everything table").first)[0]
    assert everything[0]["variant"] == first[0]
    assert any(" to " in text for text in first)


def test_published_figures_are_apart_and_closed_at_first(reader: Page, measured: Tenant) -> None:
    opened(reader)
    published = reader.locator("#one_box details")
    expect(published.locator("table")).to_be_hidden()
    published.locator("summary").click()
    rows = {row[0]: row for row in cells(published.locator("table"))}
    assert rows["sam_vit_h"][:3] == ["sam_vit_h", "SAM-H", "461"]
    assert len(rows) == len(tables(measured)["one_box"]["published_rows"])


def test_filters_choose_the_rows(reader: Page, measured: Tenant) -> None:
    opened(reader, "?variant=mobile_sam")
    rows = cells(reader.locator("#everything table").first)
    assert {row[0] for row in rows} == {"mobile_sam"}
    assert len(rows) == len(tables(measured, variant="mobile_sam")["everything"]["rows"])


def test_a_bad_parameter_is_explained(reader: Page, measured: Tenant) -> None:
    assert measured.id
    reader.goto("/dashboard/survey?sample_of=photographs")
    expect(reader.get_by_role("alert")).to_contain_text("ID:NAME")


def test_without_measurements_it_says_how_to_make_them(page: Page) -> None:
    opened(page)
    expect(page.get_by_text("samfleet survey run --plan small")).to_be_visible()
