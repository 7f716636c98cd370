"""Filters are in the URL: it can be shared, and the browser's back and forward buttons restore them."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from fixtures.api.measured_tenant import MACHINES, VARIANTS
from fixtures.api.running_api import Api, Tenant
from fixtures.servers.chromium import log_in, visitor

pytestmark = pytest.mark.browser


def pick(page: Page, name: str, choice: str) -> None:
    page.locator("details.picker summary", has_text=f"{name}: ").click()
    page.get_by_role("group", name=name).get_by_label(choice).check()
    page.keyboard.press("Escape")


def drawn(page: Page) -> set[str]:
    return set(page.locator(".results svg .group").all_text_contents())


def test_a_shared_url_shows_the_same_report(browser: Browser, api: Api, measured: Tenant, reader: Page) -> None:
    reader.goto("/dashboard/reports/latency")
    pick(reader, "Variant", "sam_vit_b")
    pick(reader, "Hardware", "Test CPU (2 threads)")
    reader.get_by_label("Stage").select_option("encode")
    expect(reader.locator(".results tbody tr")).to_have_count(1)
    with visitor(browser, api.url) as other:
        log_in(other, measured.key)
        other.goto(reader.url)
        expect(other.locator(".results tbody tr")).to_have_count(1)
        for place in (".results table", ".results svg.chart", ".filter-bar", ".controls"):
            assert other.locator(place).text_content() == reader.locator(place).text_content()


def test_back_and_forward_restore_earlier_filters(reader: Page) -> None:
    reader.goto("/dashboard/reports/latency")
    expect(reader.locator(".results svg.chart")).to_be_visible()
    pick(reader, "Variant", "sam_vit_b")
    expect(reader.locator(".results tbody tr")).to_have_count(len(MACHINES))
    assert drawn(reader) == {"sam_vit_b"}
    reader.go_back()
    expect(reader.locator(".results tbody tr")).to_have_count((len(VARIANTS) + 1) * len(MACHINES))
    expect(reader.locator("details.picker summary").first).to_have_text("Variant: any")
    reader.go_forward()
    expect(reader.locator("details.picker summary").first).to_have_text("Variant: sam_vit_b")
    expect(reader.locator(".results tbody tr")).to_have_count(len(MACHINES))


def test_filters_are_kept_when_switching_reports(reader: Page) -> None:
    reader.goto("/dashboard/reports/latency?variant=sam_vit_b&stage=encode")
    expect(reader.locator(".results svg.chart")).to_be_visible()
    reader.get_by_role("navigation", name="Reports").get_by_role("link", name="Throughput").click()
    reader.wait_for_url("**/reports/throughput?variant=sam_vit_b")
    expect(reader.locator(".results tbody tr")).to_have_count(len(MACHINES))
    reader.get_by_role("button", name="Clear filters").click()
    expect(reader.locator(".results tbody tr")).to_have_count((len(VARIANTS) + 1) * len(MACHINES))
    assert reader.url.endswith("/reports/throughput")


def test_hours_are_utc(reader: Page) -> None:
    reader.goto("/dashboard/reports/latency")
    reader.get_by_label("Since (UTC)").fill("2100-01-01T05:00")
    reader.wait_for_url("**?since=2100-01-01T05%3A00%3A00Z")
    expect(reader.get_by_role("heading", name="No rows")).to_be_visible()
    reader.get_by_role("link", name="Remove all filters").click()
    expect(reader.locator(".results svg.chart")).to_be_visible()


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("latency?since=yesterday", "query.since"),
        ("latency?hardware=L4", "query.hardware"),
        ("latency?since=2026-02-01T00:00:00Z&until=2026-01-01T00:00:00Z", "is not before until"),
        ("compare?a=one&b=two", "is not a hardware id"),
    ],
)
def test_an_invalid_url_shows_the_message_of_the_api(reader: Page, address: str, message: str) -> None:
    reader.goto(f"/dashboard/reports/{address}")
    alert = reader.get_by_role("alert")
    expect(alert).to_contain_text(message)
    alert.get_by_role("link", name="Start without filters").click()
    expect(reader.locator(".results svg.chart").first).to_be_visible()


def test_an_unknown_report_shows_an_error(reader: Page) -> None:
    reader.goto("/dashboard/reports/weather")
    expect(reader.get_by_role("heading", name="Report not found")).to_be_visible()


def test_the_latest_request_is_shown_when_responses_arrive_out_of_order(reader: Page) -> None:
    reader.goto("/dashboard/reports/latency")
    expect(reader.locator(".results svg.chart")).to_be_visible()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    reader.route("**/v1/reports/latency?stage=encode", hold)
    reader.get_by_label("Stage").select_option("encode")
    expect(reader.locator(".results[aria-busy]")).to_have_count(1)
    reader.get_by_label("Stage").select_option("decode")
    caption = reader.locator(".results caption")  # what all rows have in common
    expect(caption).to_contain_text("decode")
    with reader.expect_response("**/v1/reports/latency?stage=encode"):
        held[0].continue_()
    expect(caption).not_to_contain_text("encode")
    expect(reader.locator("[aria-busy]")).to_have_count(0)


def test_a_refused_report_can_be_requested_again(reader: Page) -> None:
    reader.route("**/v1/reports/latency?stage=image", lambda route: route.abort())
    reader.goto("/dashboard/reports/latency")
    expect(reader.get_by_role("alert")).to_contain_text("The API does not respond")
    reader.unroute_all()
    reader.get_by_role("button", name="Try again").click()
    expect(reader.locator(".results svg.chart")).to_be_visible()
