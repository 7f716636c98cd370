from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

from fixtures.api.annotated_run import annotated_job
from fixtures.api.measured_tenant import finished_job
from fixtures.api.running_api import Api, Tenant
from fixtures.servers.chromium import looked_at
from fixtures.waiting import until
from fixtures.worker.recorded_jobs import HEIGHT, WIDTH, carry_out, new_job, segmented
from samfleet.masks.overlay import mask_colour
from samfleet.masks.rle import encode_mask

pytestmark = pytest.mark.browser


def test_run_lengths_of_pycocotools_are_decoded(page: Page) -> None:
    random = np.random.default_rng(7)
    masks = [random.random((37, 53)) < share for share in (0.0, 0.02, 0.5, 1.0)]
    masks.append(np.kron(random.random((3, 2)) < 0.5, np.ones((200, 300), dtype=np.bool_)).astype(np.bool_))
    sent = [{"size": list(mask.shape), "counts": encode_mask(mask)} for mask in masks]
    script = """async (masks) => {
        const { spansOf } = await import("/dashboard/static/viewer/spans.js");
        return masks.map((mask) => [...spansOf(mask).bounds]);
    }"""
    for bits, bounds in zip(masks, page.evaluate(script, sent), strict=True):
        edges = np.flatnonzero(np.diff(bits.T.ravel().astype(np.int8), prepend=0, append=0))
        assert bounds == edges.tolist()


def test_masks_have_the_colours_of_the_api_pictures(page: Page) -> None:
    script = """async () => {
        const { rowsOf } = await import("/dashboard/static/viewer/masks.js");
        return rowsOf(Array.from({ length: 40 }, () => ({}))).map((row) => row.colour);
    }"""
    assert np.abs(np.array(page.evaluate(script)) - [mask_colour(index) for index in range(40)]).max() <= 1


PICTURE_IS_DRAWN = """async () => {
    const canvas = document.querySelector(".view canvas");
    const drawn = () => canvas.getContext("2d").getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data[3] > 0;
    while (!drawn()) await new Promise((done) => requestAnimationFrame(done));
}"""


def shown_pixels(page: Page) -> float:
    """Return the share of the view that masks cover."""
    script = """async (canvas) => {
        await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return data.filter((_, at) => at % 4 === 3).filter((alpha) => alpha > 0).length / (data.length / 4);
    }"""
    share: float = page.locator(".view canvas").nth(1).evaluate(script)
    return share


def at(page: Page, x: float, y: float) -> tuple[float, float]:
    """Return the place of an image pixel on the page, for a view that shows the whole image."""
    box = page.locator(".view").bounding_box()
    assert box is not None
    scale = 0.98 * min(box["width"] / WIDTH, box["height"] / HEIGHT)
    return box["x"] + box["width"] / 2 + (x - WIDTH / 2) * scale, box["y"] + box["height"] / 2 + (
        y - HEIGHT / 2
    ) * scale


def test_masks_are_hidden_hovered_and_pinned(api: Api, tenant: Tenant, folder: Path, page: Page) -> None:
    job = finished_job(api, tenant, folder)
    looked_at(page, f"/dashboard/runs/{job['runs'][0]['id']}/images/1")
    grid = page.get_by_role("grid", name="Masks")
    rows = grid.get_by_role("row")
    expect(rows).to_have_count(1 + 3)
    whole = shown_pixels(page)
    page.get_by_role("checkbox", name="Show mask 1", exact=True).uncheck()
    expect(page).to_have_url(re.compile(r"\?hidden=0$"))
    assert shown_pixels(page) == pytest.approx(whole * 14 / 24, rel=0.03)  # the large mask had covered the small ones
    looked_at(page, page.url)
    assert shown_pixels(page) == pytest.approx(whole * 14 / 24, rel=0.03)
    expect(page.get_by_role("checkbox", name="Show mask 1", exact=True)).not_to_be_checked()
    page.get_by_role("button", name="Show all").click()
    page.mouse.move(*at(page, 8, 10))
    expect(grid.locator(".hot")).to_contain_text("80")
    expect(page.get_by_text("Mask 2 · 80 px · predicted IoU 0.90")).to_be_visible()
    page.mouse.click(*at(page, 8, 10))
    expect(page).to_have_url(re.compile(r"\?pins=1$"))
    expect(grid.locator("[aria-selected=true]")).to_contain_text("80")
    assert page.get_by_role("img", name="Stages of this image in order").locator("rect.length").count() == 5
    assert page.get_by_role("table", name="Stages of this image").get_by_role("row").count() == 1 + 5


def test_the_list_works_by_keyboard(api: Api, tenant: Tenant, folder: Path, page: Page) -> None:
    job = finished_job(api, tenant, folder)
    looked_at(page, f"/dashboard/runs/{job['runs'][0]['id']}/images/1?mask_sort=area")
    grid = page.get_by_role("grid", name="Masks")
    expect(grid.locator("[aria-sort=ascending]")).to_have_text("Area, px ↑")
    rows = grid.get_by_role("row")
    # The columns follow the width of the list, which is settled a moment after its rows are there.
    until(lambda: [row.split()[1] for row in rows.all_inner_texts()[1:]] == ["60", "80", "240"])
    grid.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"pins=1\b"))
    page.keyboard.press("h")
    expect(page).to_have_url(re.compile(r"hidden=1\b"))
    page.keyboard.press("z")
    expect(page).to_have_url(re.compile(r"at=8\.0"))
    grid.get_by_role("button", name="Predicted IoU").press("Enter")
    expect(page).to_have_url(re.compile("mask_sort=predicted"))
    expect(grid.get_by_role("button", name="Predicted IoU ↑")).to_be_focused()
    page.locator("h1").click()
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**/images/2?**")
    assert "mask_sort=predicted" in page.url
    assert "pins" not in page.url


def test_filters_are_in_the_address(api: Api, tenant: Tenant, folder: Path, page: Page) -> None:
    job = finished_job(api, tenant, folder)
    looked_at(page, f"/dashboard/runs/{job['runs'][0]['id']}/images/1")
    page.get_by_label("Maximum area, px").fill("100")
    expect(page.get_by_role("status").filter(has_text="2 of 3 masks")).to_be_visible()
    expect(page).to_have_url(re.compile(r"\?max_area=100$"))
    page.get_by_label("Draw masks as").select_option("contours")
    page.get_by_label("Minimum predicted IoU").fill("0.95")
    expect(page).to_have_url(re.compile("draw=contours.*min_score=0.95"))
    expect(page.get_by_text("No mask passes the filters.")).to_be_visible()
    assert shown_pixels(page) == 0
    looked_at(page, page.url)
    expect(page.get_by_label("Draw masks as")).to_have_value("contours")
    expect(page.get_by_text("No mask passes the filters.")).to_be_visible()


def test_masks_are_compared_with_annotations(api: Api, tenant: Tenant, folder: Path, page: Page) -> None:
    job = annotated_job(api, tenant, folder, variants=["mobile_sam", "repvit_sam"])
    runs = sorted(job["runs"], key=lambda run: str(run["variant"]))
    looked_at(page, f"/dashboard/runs/{runs[0]['id']}/images/1")
    expect(page.get_by_role("heading", name="1 of 2 annotations found at IoU 0.5")).to_be_visible()
    grid = page.get_by_role("grid", name="Masks")
    expect(grid.get_by_role("row").nth(1)).to_contain_text("1.00")
    page.get_by_label("Agreement").select_option("wrong")
    expect(page.get_by_role("status").filter(has_text="1 of 2 masks")).to_be_visible()
    page.get_by_label("Agreement").select_option("")
    page.get_by_role("combobox", name="Annotations").select_option("instead")
    assert 0 < shown_pixels(page) < 0.2  # contours alone
    page.get_by_role("grid", name="Annotations").get_by_role("row").filter(has_text="missed").click()
    expect(page).to_have_url(re.compile(r"at=21\.0%2C15\.0"))
    page.get_by_role("combobox", name="Run").select_option("repvit_sam")
    page.wait_for_url(f"**/runs/{runs[1]['id']}/images/1?**")
    assert "at=21.0" in page.url
    assert "truth=instead" in page.url


def test_neighbours_keep_the_filters_of_the_gallery(api: Api, tenant: Tenant, folder: Path, page: Page) -> None:
    job = annotated_job(api, tenant, folder)
    looked_at(page, f"/dashboard/runs/{job['runs'][0]['id']}/images/1?outcome=succeeded")
    page.keyboard.press("ArrowRight")  # 2 failed
    page.wait_for_url("**/images/3?outcome=succeeded")
    looked_at(page, page.url)
    expect(page.get_by_text("Image 3 of 4")).to_be_visible()
    page.go_back()
    page.wait_for_url("**/images/1?outcome=succeeded")
    looked_at(page, f"/dashboard/runs/{job['runs'][0]['id']}/images/2")
    expect(page.get_by_role("heading", name="This image failed: image_truncated")).to_be_visible()
    page.get_by_role("link", name="Next →").click()
    page.wait_for_url("**/images/3")


def test_the_picture_is_shown_before_the_masks(api: Api, tenant: Tenant, folder: Path, page: Page) -> None:
    job = finished_job(api, tenant, folder)
    path = f"/v1/runs/{job['runs'][0]['id']}/images/1"
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(f"**{path}", hold)
    page.goto(f"/dashboard{path.removeprefix('/v1')}")
    expect(page.get_by_text("Loading the masks…")).to_be_visible()
    expect(page.get_by_role("button", name="Zoom in")).to_be_visible()
    page.evaluate(PICTURE_IS_DRAWN)
    page.locator(".view").focus()
    page.keyboard.press("+")
    held[0].continue_()
    expect(page.get_by_role("grid", name="Masks").get_by_role("row")).to_have_count(1 + 3)
    expect(page.locator(".view.zoomed")).to_have_count(1)
    assert "at=" in page.url  # the zoom from before the masks came


def test_masks_that_cannot_be_read_leave_the_picture(api: Api, tenant: Tenant, folder: Path, page: Page) -> None:
    job = finished_job(api, tenant, folder)
    run_id = job["runs"][0]["id"]
    api.store.delete_prefix(f"runs/{run_id}/parts/")
    looked_at(page, f"/dashboard/runs/{run_id}/images/1")
    expect(page.get_by_role("region", name="Masks").get_by_role("alert")).to_contain_text("could not be loaded")
    page.evaluate(PICTURE_IS_DRAWN)
    expect(page.get_by_role("heading", name="Where the time went")).to_be_visible()


def test_a_closer_look_loads_more_pixels(api: Api, tenant: Tenant, folder: Path, page: Page) -> None:
    run_id = finished_job(api, tenant, folder)["runs"][0]["id"]
    asked: list[str] = []

    def picture(route: Route) -> None:
        asked.append(route.request.url.rpartition("/")[2])
        side = int(route.request.url.partition("max_side=")[2] or 4096)
        file = io.BytesIO()
        Image.new("RGB", (side, side * 3 // 4), (90, 10, 7)).save(file, "JPEG")
        route.fulfill(body=file.getvalue(), content_type="image/jpeg")

    def large(route: Route) -> None:
        route.fulfill(json={**route.fetch().json(), "width": 4096, "height": 3072})

    page.route(re.compile("/v1/.*/picture"), picture)
    page.route("**/images/1?with_masks=false", large)
    looked_at(page, f"/dashboard/runs/{run_id}/images/1")
    page.evaluate(PICTURE_IS_DRAWN)
    assert asked == ["picture?max_side=1024"]
    page.locator(".view").focus()
    with page.expect_response("**/picture?max_side=2048"):
        page.keyboard.press("+")
        page.keyboard.press("+")
    with page.expect_response(lambda answer: answer.url.endswith("/picture")):
        for _ in range(6):
            page.keyboard.press("+")
    assert asked[1:] == ["picture?max_side=2048", "picture"]


def test_a_missing_picture_leaves_the_masks(api: Api, tenant: Tenant, folder: Path, page: Page) -> None:
    job = new_job(tenant, folder, images=1)
    carry_out(api, job, segmented)
    (folder / "0.png").unlink()
    looked_at(page, f"/dashboard/runs/{job['runs'][0]['id']}/images/1")
    expect(page.get_by_role("alert").filter(has_text="The picture could not be loaded")).to_be_visible()
    assert shown_pixels(page) > 0


def test_a_long_list_has_elements_for_the_rows_in_sight_only(page: Page) -> None:
    script = """async (count) => {
        const { Grid } = await import("/dashboard/static/viewer/grid.js");
        const column = { key: "n", title: "N", width: "1fr", cell: (row) => String(row.n) };
        const ignore = () => {};
        const isChosen = () => false;
        const grid = new Grid({ label: "Long", columns: [column], onHover: ignore, onChoose: ignore, isChosen });
        grid.setRows(Array.from({ length: count }, (_, n) => ({ n })));
        document.body.append(grid.element);
    }"""
    page.evaluate(script, 5000)
    grid = page.get_by_role("grid", name="Long")
    rows = grid.locator(".grid-body .grid-row")
    expect(rows.first).to_have_text("0")
    assert rows.count() < 60
    expect(grid).to_have_attribute("aria-rowcount", "5001")
    grid.focus()
    page.keyboard.press("End")
    expect(rows.last).to_have_text("4999")
    active = grid.get_attribute("aria-activedescendant")
    expect(page.locator(f"#{active}")).to_have_attribute("aria-rowindex", "5001")
    assert rows.count() < 60


def test_panels_get_the_masks_and_the_selection(api: Api, tenant: Tenant, folder: Path, page: Page) -> None:
    page.add_init_script("""(async () => {
        const { panels } = await import("/dashboard/static/viewer/page_parts.js");
        panels.push(({ masks, selection }) => {
            const button = document.createElement("button");
            button.textContent = `Pin all ${masks.length}`;
            button.addEventListener("click", () => selection.set([...masks.keys()]));
            selection.onChange((indexes) => { button.title = indexes.join(); });
            return button;
        });
    })()""")
    job = finished_job(api, tenant, folder)
    looked_at(page, f"/dashboard/runs/{job['runs'][0]['id']}/images/1")
    page.get_by_role("button", name="Pin all 3").click()
    expect(page.get_by_title("0,1,2")).to_be_visible()
    expect(page.locator("[aria-selected=true]")).to_have_count(3)
