"""Report pages draw the rows of the API: one mark per row, at the place of its figure."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from fixtures.api.measured_tenant import DAYS, MACHINES, VARIANTS, machines, measure
from fixtures.api.running_api import Api, Tenant
from fixtures.servers.chromium import log_in, visitor

pytestmark = pytest.mark.browser

CELLS = len(VARIANTS) * len(MACHINES) + len(MACHINES)  # one variant also ran with a second grid
OVERLAP = 3  # pixels between lines of text
SPREAD = 0.5  # pixels by which rounding may move a mark


def rows(tenant: Tenant, report: str, **params: Any) -> list[dict[str, Any]]:
    answer = tenant.http.get(f"/v1/reports/{report}", params=params)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["rows"]
    return found


def opened(page: Page, address: str) -> Locator:
    page.goto(f"/dashboard/reports/{address}")
    expect(page.locator(".results svg.chart").first).to_be_visible()
    expect(page.locator("[aria-busy]")).to_have_count(0)
    return page.locator(".results svg.chart")


def measured_by(marks: Locator, figure: str) -> list[Any]:
    found: list[Any] = marks.evaluate_all(f"all => all.map((mark) => mark.{figure})")
    return found


def table_rows(page: Page) -> int:
    return page.locator(".results table tbody tr").count()


def assert_proportional(drawn: list[float], values: list[float]) -> None:
    """Check a linear axis from zero: the ratio of pixels to figures is the same for all."""
    scale = sum(drawn) / sum(values)
    assert scale > 0
    assert drawn == pytest.approx([value * scale for value in values], abs=2 * SPREAD)


def test_latency_has_a_bar_with_whiskers_for_each_variant_and_machine(reader: Page, measured: Tenant) -> None:
    chart = opened(reader, "latency")
    found = rows(measured, "latency", stage="image")
    assert len(found) == table_rows(reader) == CELLS
    bars = chart.locator("rect.p50")
    expect(bars).to_have_count(CELLS)
    assert_proportional(measured_by(bars, "width.baseVal.value"), [row["p50_ms"] for row in found])
    whiskers = [measured_by(chart.locator(f".{name}"), "getBBox().x") for name in ("p90", "p95")]
    assert all(p90 <= p95 for p90, p95 in zip(*whiskers, strict=True))
    assert len(set(chart.locator(".group").all_text_contents())) == len(VARIANTS)


def test_the_stage_is_chosen_and_stays_in_the_address(reader: Page, measured: Tenant) -> None:
    opened(reader, "latency")
    reader.get_by_label("Stage").focus()
    reader.get_by_label("Stage").select_option("encode")
    reader.wait_for_url("**?stage=encode")
    found = rows(measured, "latency", stage="encode")
    longest = max(row["p50_ms"] for row in found)
    expect(reader.locator(".results svg .value", has_text=f"{longest:.0f} ms").first).to_be_visible()
    expect(reader.get_by_label("Stage")).to_be_focused()


@pytest.mark.parametrize(
    ("address", "report", "field"),
    [
        ("throughput", "throughput", "images_per_second"),
        ("throughput?metric=images_per_gpu_hour", "throughput", "images_per_gpu_hour"),
        ("throughput?metric=gpu_busy_share", "throughput", "gpu_busy_share"),
        ("quality", "quality", "miou"),
        ("quality?metric=ar_1000", "quality", "ar_1000"),
    ],
)
def test_bar_lengths_are_proportional_to_their_figures(
    reader: Page, measured: Tenant, address: str, report: str, field: str
) -> None:
    chart = opened(reader, address)
    found = rows(measured, report)
    bars = chart.locator("rect.length")
    expect(bars).to_have_count(len(found))
    assert_proportional(measured_by(bars, "width.baseVal.value"), [row[field] for row in found])
    assert table_rows(reader) == len(found)


def test_pareto_marks_dominated_points_and_joins_the_front(reader: Page, measured: Tenant) -> None:
    chart = opened(reader, "pareto")
    found = rows(measured, "pareto")
    points = chart.locator("path.point")
    expect(points).to_have_count(len(found))
    expect(chart.locator("path.point.hollow")).to_have_count(sum(row["dominated"] for row in found))
    across = measured_by(points, "getBBox().x + mark.getBBox().width / 2")
    upwards = measured_by(points, "getBBox().y + mark.getBBox().height / 2")
    fast = sorted(range(len(found)), key=lambda index: found[index]["images_per_gpu_hour"])
    assert [across[index] for index in fast] == sorted(across)
    good = sorted(range(len(found)), key=lambda index: -found[index]["miou"])
    assert [upwards[index] for index in good] == pytest.approx(sorted(upwards), abs=2)
    names = measured_by(chart.locator("text.halo"), "getBBox()")
    assert len(names) == len(found)
    front = [index for index, row in enumerate(found) if not row["dominated"]]
    assert len(chart.locator("polyline.front").get_attribute("points").split()) == 2 * len(front) - 1  # type: ignore[union-attr]


def test_pareto_uses_the_requested_speed_or_cost_axis(reader: Page, measured: Tenant) -> None:
    opened(reader, "pareto")
    reader.locator("#view-against").select_option("speed")
    reader.wait_for_url("**?against=speed")
    fastest = max(row["images_per_second"] for row in rows(measured, "pareto", against="speed"))
    expect(reader.get_by_role("table", name="Quality against images/s")).to_contain_text(f"{float(f'{fastest:.3g}'):g}")


def test_pareto_uses_the_requested_quality_figure(reader: Page, measured: Tenant) -> None:
    chart = opened(reader, "pareto?quality=ap")
    expect(chart.locator("path.point")).to_have_count(len(rows(measured, "pareto", quality="ap")))
    expect(chart.locator("text.title").last).to_have_text("AP")


def test_names_of_points_do_not_cover_each_other(reader: Page) -> None:
    chart = opened(reader, "pareto")
    corners = "getBBox()).map(({ x, y, width, height }) => [x, y, x + width, y + height]"
    for (ax, ay, ar, ab), (bx, by, br, bb) in itertools.combinations(
        measured_by(chart.locator("text.halo"), corners), 2
    ):
        assert ar <= bx or br <= ax or ab <= by + OVERLAP or bb <= ay + OVERLAP


def test_two_machines_are_compared_in_figures_and_in_words(reader: Page, measured: Tenant) -> None:
    by_name = machines(measured)
    slow, fast = by_name["Test CPU (2 threads)"], by_name["Test CPU (8 threads)"]
    chart = opened(reader, f"compare?a={slow}&b={fast}")
    found = rows(measured, "compare", by="hardware", a=slow, b=fast)
    one = measured_by(chart.locator("line.one"), "x1.baseVal.value")[0]
    expect(chart.locator("path.ratio.filled")).to_have_count(sum(row["verdict"] != "cannot tell" for row in found))
    for row, at in zip(found, measured_by(chart.locator("line.interval"), "x1.baseVal.value"), strict=True):
        assert (row["ratio_low"] > 1) == (at > one)
    expect(reader.locator(".verdicts li").first).to_contain_text("Test CPU (8 threads) is ")
    reader.get_by_role("button", name="Swap").click()
    reader.wait_for_url(f"**a={fast}&b={slow}**")
    expect(reader.locator(".verdicts li").first).to_contain_text("Test CPU (8 threads) is ")


def test_equal_machines_give_cannot_tell(reader: Page, measured: Tenant) -> None:
    a, b = machines(measured).values()
    chart = opened(reader, f"compare?a={a}&b={b}&stage=decode")
    expect(chart.locator("path.ratio.hollow")).to_have_count(len(VARIANTS) + 1)
    expect(reader.locator(".verdicts li").first).to_contain_text("cannot tell")


def test_variants_are_compared_too(reader: Page) -> None:
    opened(reader, "compare")
    reader.locator("#view-by").select_option("variant")
    expect(reader.locator("#view-a")).to_have_value("mobile_sam")
    expect(reader.locator(".verdicts li").first).to_contain_text("times as fast as")


def test_the_trend_has_a_point_for_each_day(reader: Page, measured: Tenant) -> None:
    charts = opened(reader, "trend")
    expect(charts).to_have_count(len(VARIANTS))
    found = rows(measured, "latency", stage="image", group_by=["variant", "hardware", "day"])
    assert len({row["day"] for row in found}) == DAYS
    expect(charts.locator("path.point.filled")).to_have_count(len(found))
    expect(charts.locator("path.point.hollow")).to_have_count(len(found))
    panel = charts.last
    values = [row["p50_ms"] for row in found if row["variant"] == "sam_vit_b"]
    middles = measured_by(panel.locator("path.point.filled"), "getBBox().y + mark.getBBox().height / 2")
    for (first, low), (second, high) in itertools.combinations(zip(values, middles, strict=True), 2):
        if abs(first - second) > 0.02 * max(values):
            assert (first > second) == (low < high)


def test_prices_are_set_in_the_page_and_refused_with_a_reason(
    browser: Browser, api: Api, tenant: Tenant, folder: Path
) -> None:
    measure(api, tenant, folder, days=1)
    with visitor(browser, api.url) as page:
        log_in(page, tenant.key)
        page.goto("/dashboard/reports/cost")
        expect(page.get_by_text("No hardware here has a price yet.")).to_be_visible()
        form = page.locator("form.price").first
        form.get_by_label("Per hour").fill("-1")
        form.get_by_role("button").click()
        expect(form.get_by_role("status")).to_contain_text("greater than or equal to 0")
        form.get_by_label("Per hour").fill("0.81")
        form.get_by_label("Currency").fill("eur")
        page.keyboard.press("Enter")
        chart = page.locator(".results svg.chart")
        expect(chart.locator("rect.length")).to_have_count(len(VARIANTS) + 1)
        priced = [row for row in rows(tenant, "cost") if row["price_per_hour"] is not None]
        assert {(row["price_per_hour"], row["currency"]) for row in priced} == {(0.81, "EUR")}
        drawn = measured_by(chart.locator("rect.length"), "width.baseVal.value")
        assert_proportional(drawn, [row["cost_per_1000_images"] for row in priced])


def test_the_csv_file_has_the_rows_of_the_table(reader: Page, measured: Tenant) -> None:
    opened(reader, "latency?stage=encode&variant=mobile_sam")
    with reader.expect_download() as begun:
        reader.get_by_role("link", name="Download CSV").click()
    lines = list(csv.DictReader(begun.value.path().read_text().splitlines()))
    assert len(lines) == table_rows(reader) == 2 * len(MACHINES)
    assert {line["variant"] for line in lines} == {"mobile_sam"}
    assert begun.value.suggested_filename == "latency.csv"


def test_the_shown_command_and_request_give_the_same_report(reader: Page, measured: Tenant) -> None:
    opened(reader, "latency?stage=encode&variant=mobile_sam&since=2026-01-01T00:00:00Z")
    reader.get_by_text("Reproduce this report").click()
    command = reader.get_by_role("region", name="Command").inner_text()
    assert command.split()[:3] == ["samfleet", "report", "latency"]
    assert "--variant mobile_sam" in command
    assert "--since 2026-01-01T00:00:00 " in f"{command} "
    address = reader.get_by_role("region", name="API request").inner_text().split("'")[1]
    assert len(measured.http.get(address).json()["rows"]) == table_rows(reader)


def test_a_digest_links_to_its_parameters(reader: Page) -> None:
    opened(reader, "latency?variant=mobile_sam")
    expect(reader.locator(".results svg .name").first).to_contain_text("32 points per side")
    reader.locator(".results td a").first.click()
    expect(reader.locator(".parameters[open]")).to_contain_text("task.points_per_side")


def test_a_tenant_sees_only_its_own_measurements(
    browser: Browser, api: Api, measured: Tenant, other_tenant: Tenant
) -> None:
    with visitor(browser, api.url) as page:
        log_in(page, other_tenant.key)
        for report in ("latency", "pareto", "cost", "trend"):
            page.goto(f"/dashboard/reports/{report}")
            expect(page.get_by_role("heading", name="Nothing measured yet")).to_be_visible()
            assert page.locator("svg.chart").count() == 0
        page.goto(f"/dashboard/reports/latency?hardware={next(iter(machines(measured).values()))}")
        expect(page.get_by_role("heading", name="Nothing measured yet")).to_be_visible()
