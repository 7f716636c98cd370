"""The dashboard in a real Chromium, on live data. BROWSER_SCREENSHOTS names a folder that keeps the pictures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert

from fixtures.api import Api, Tenant
from fixtures.browser import DESKTOP, PHONE, chromium, log_in, visitor
from fixtures.recorded import carry_out, claim_next, mask, new_job, plan, record_shard, segmented
from samfleet.db.models import WorkerHeartbeat
from samfleet.db.session import transaction
from samfleet.jobs.results import ImageError, ImageOutcome, ShardImage
from samfleet.masks.rle import encode_mask

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, api: Api, tenant: Tenant) -> Iterator[Page]:
    with visitor(browser, api.url) as page:
        log_in(page, tenant.key)
        yield page


def every_third_fails(image: ShardImage) -> ImageOutcome:
    if image.image_id % 3 == 0:
        return ImageOutcome(image, error=ImageError("image_truncated", "the file ends early", "preprocess"))
    outcome = segmented(image, encode_ms=3.0 + image.image_id)
    return replace(outcome, masks=(mask(2, 26), mask(4, 12), mask(14, 20)))


def finished_job(api: Api, tenant: Tenant, folder: Path) -> dict[str, Any]:
    job = new_job(
        tenant, folder, images=7, variants=["mobile_sam", "sam_vit_b"], name="shelves, second floor", pools=["default"]
    )
    carry_out(api, job, every_third_fails)
    return job


def beat(api: Api) -> None:
    """A worker whose Triton has one variant loaded."""
    servers = [{"address": "triton:8001", "ready": True, "version": "2.51", "variants": ["mobile_sam"]}]
    seen = {"seen_at": func.now(), "triton_ready": True, "detail": {"servers": servers}}
    first = {"worker": "worker@host", "pool": "default", "started_at": func.now()}
    with transaction(api.engine) as session:
        statement = insert(WorkerHeartbeat).values({**first, **seen})
        session.execute(statement.on_conflict_do_update(index_elements=["worker"], set_=seen))


def test_without_a_session_one_is_asked_for_and_led_back(browser: Browser, api: Api, tenant: Tenant) -> None:
    with visitor(browser, api.url) as page:
        page.goto("/dashboard/variants?name=tiny")
        page.get_by_label("API key").fill("sf_wrong")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("alert")).to_contain_text("unknown or revoked")
        page.get_by_label("API key").fill(tenant.key)
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Variants").wait_for()
        assert page.url.endswith("/dashboard/variants?name=tiny")
        page.get_by_role("button", name="Log out").click()
        page.get_by_label("API key").wait_for()
        page.goto("/dashboard/")
        page.get_by_label("API key").wait_for()


@pytest.mark.parametrize("elsewhere", ["https://example.org/", "//example.org", "javascript:alert(1)", "/v1/jobs"])
def test_the_way_on_from_the_login_leads_nowhere_else(
    browser: Browser, api: Api, tenant: Tenant, elsewhere: str
) -> None:
    with visitor(browser, api.url) as page:
        page.goto(f"/dashboard/login?next={elsewhere}")
        page.get_by_label("API key").fill(tenant.key)
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Overview").wait_for()
        assert page.url == f"{api.url}/dashboard/"


def test_progress_moves_while_a_job_runs(api: Api, tenant: Tenant, folder: Path, page: Page) -> None:
    job = new_job(tenant, folder, images=4, name="moving")
    plan(api, job)
    page.reload()
    bar = page.get_by_role("progressbar", name="Progress of moving")
    expect(bar).to_have_js_property("value", 0)
    run_id = job["runs"][0]["id"]
    for value in (0.5, 1):
        claimed = claim_next(api, run_id)
        assert claimed is not None
        record_shard(api, claimed)
        expect(bar).to_have_js_property("value", value)


def test_jobs_that_are_not_pushed_are_asked_for(api: Api, tenant: Tenant, folder: Path, page: Page) -> None:
    jobs = [new_job(tenant, folder, images=2, name=f"job {number}") for number in range(4)]
    page.reload()
    expect(page.locator("#running article")).to_have_count(4)
    for job in jobs:
        carry_out(api, job)
    two_rounds = 15_000  # ms; the page asks every five seconds
    expect(page.locator("#running .state", has_text="completed")).to_have_count(4, timeout=two_rounds)


def test_run_lengths_are_read_as_pycocotools_writes_them(page: Page) -> None:
    random = np.random.default_rng(7)
    masks = [random.random((37, 53)) < share for share in (0.0, 0.02, 0.5, 1.0)]
    masks.append(np.kron(random.random((3, 2)) < 0.5, np.ones((200, 300), dtype=np.bool_)).astype(np.bool_))
    sent = [{"size": list(mask.shape), "counts": encode_mask(mask)} for mask in masks]
    script = """async (masks) => {
        const { eachPixel, covers } = await import("/dashboard/static/rle.js");
        return masks.map((mask) => {
            const found = [];
            eachPixel(mask, (pixel) => found.push(pixel));
            return [found, covers(mask, 5, 7), covers(mask, mask.size[1], 0)];
        });
    }"""
    for bits, (found, covered, outside) in zip(masks, page.evaluate(script, sent), strict=True):
        assert sorted(found) == np.flatnonzero(bits).tolist()
        assert (covered, outside) == (bool(bits[7, 5]), False)


def test_a_new_tenant_is_told_what_to_do(page: Page) -> None:
    expect(page.get_by_text("Nothing is running")).to_be_visible()
    expect(page.get_by_text("Nothing has been submitted yet.")).to_be_visible()


def test_two_tenants_see_their_own(
    browser: Browser, api: Api, tenant: Tenant, other_tenant: Tenant, folder: Path, page: Page
) -> None:
    job = finished_job(api, tenant, folder)
    page.reload()
    page.get_by_role("link", name="shelves, second floor").wait_for()
    with visitor(browser, api.url) as stranger:
        log_in(stranger, other_tenant.key)
        expect(stranger.get_by_text("Nothing has been submitted yet.")).to_be_visible()
        stranger.goto(f"/dashboard/jobs/{job['id']}")
        expect(stranger.get_by_role("alert")).to_contain_text("does not exist")


def test_a_job_shows_its_times_failures_and_pictures(api: Api, tenant: Tenant, folder: Path, page: Page) -> None:
    job = finished_job(api, tenant, folder)
    page.goto(f"/dashboard/jobs/{job['id']}")
    chart = page.get_by_role("img", name="Mean time of an image, stage by stage")
    expect(chart.locator("rect")).to_have_count(2 * 5)
    widths = [
        float(width or 0) for width in chart.locator("rect").evaluate_all("all => all.map(r => r.width.baseVal.value)")
    ]
    assert sum(widths) > 500
    times = page.get_by_role("table", name="Time per image and stage, warm-up left out")
    assert times.get_by_role("row").count() == 1 + 2 * 5
    failures = page.get_by_role("table", name="Failures by code")
    expect(failures.get_by_role("row").nth(1)).to_contain_text("image_truncated")
    expect(failures.get_by_role("row").nth(1).get_by_role("cell").first).to_have_text("4")
    expect(page.locator("#gallery img")).to_have_count(5)  # two of seven failed
    expect(page.locator("#gallery .missing")).to_have_count(2)
    page.locator("#gallery select").select_option("sam_vit_b")
    page.wait_for_url("**?run=*")
    expect(page.locator("#gallery select option:checked")).to_have_text("sam_vit_b")


def test_a_job_is_cancelled_by_its_button(api: Api, tenant: Tenant, folder: Path, page: Page) -> None:
    job = new_job(tenant, folder, name="too much")
    page.goto(f"/dashboard/jobs/{job['id']}")
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Cancel the job").click()
    expect(page.locator(".head .state")).to_have_text("cancelled")
    assert tenant.http.get(f"/v1/jobs/{job['id']}").json()["state"] == "cancelled"


def painted(page: Page) -> int:
    """Pixels of the canvas that a mask covers."""
    script = "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.filter((_, i) => i % 4 === 3)"
    count: int = page.locator("canvas").evaluate(f"c => ({script})(c).filter(a => a > 0).length")
    return count


def test_masks_lie_on_their_picture_and_go_by_keyboard(api: Api, tenant: Tenant, folder: Path, page: Page) -> None:
    job = finished_job(api, tenant, folder)
    page.goto(f"/dashboard/runs/{job['runs'][0]['id']}/images/1")
    page.locator("canvas").wait_for()
    assert painted(page) == 10 * 24  # the large mask covers the small ones
    boxes = page.get_by_role("checkbox")
    assert boxes.count() == 3
    boxes.first.focus()
    page.keyboard.press("Space")
    assert painted(page) == 10 * (8 + 6)
    assert page.url.endswith("?hidden=0")
    page.reload()
    expect(boxes.first).not_to_be_checked()
    assert painted(page) == 10 * (8 + 6)
    box = page.locator("canvas").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 8 / 32, box["y"] + box["height"] * 10 / 24)
    expect(page.locator("label.hot")).to_have_count(1)
    assert page.get_by_role("img", name="Stages of this image, one after the other").locator("rect").count() == 5
    assert page.get_by_role("table", name="Stages of this image").get_by_role("row").count() == 1 + 5


def test_variants_are_filtered_by_the_address(api: Api, page: Page) -> None:
    beat(api)
    page.goto("/dashboard/variants?loaded=yes")
    expect(page.get_by_text("1 of ")).to_be_visible()
    expect(page.locator("#mobile_sam")).to_contain_text("default (triton:8001)")
    page.get_by_label("Loaded somewhere").uncheck()
    page.get_by_label("Name").fill("fastsam")
    expect(page.locator(".card").first).to_contain_text("not accepted: AGPL-3.0")
    assert page.url.endswith("?name=fastsam")
    page.get_by_label("Name").fill("no such thing")
    expect(page.get_by_text("None is like that")).to_be_visible()


def test_the_policy_allows_no_script_from_anywhere_else(page: Page) -> None:
    answer = page.goto("/dashboard/")
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    ("look", "size", "scheme"),
    [("light", DESKTOP, "light"), ("dark", DESKTOP, "dark"), ("phone", PHONE, "light"), ("phone-dark", PHONE, "dark")],
)
def test_nothing_sticks_out_in_any_look(
    browser: Browser,
    api: Api,
    tenant: Tenant,
    folder: Path,
    tmp_path: Path,
    look: str,
    size: tuple[int, int],
    scheme: Literal["light", "dark"],
) -> None:
    beat(api)
    job = finished_job(api, tenant, folder)
    running = new_job(tenant, folder, images=4, name="a" * 80)
    plan(api, running)
    run_id = job["runs"][0]["id"]
    addresses = {
        "overview": "/dashboard/",
        "job": f"/dashboard/jobs/{job['id']}",
        "image": f"/dashboard/runs/{run_id}/images/1",
        "failed": f"/dashboard/runs/{run_id}/images/3",
        "variants": "/dashboard/variants",
    }
    target = Path(os.environ.get("BROWSER_SCREENSHOTS", tmp_path))
    with visitor(browser, api.url, size, scheme) as page:
        page.goto("/dashboard/login")
        page.get_by_label("API key").wait_for()
        page.screenshot(path=target / f"login-{look}.png")
        log_in(page, tenant.key)
        for name, address in addresses.items():
            page.goto(address)
            page.locator("h1").wait_for()
            expect(page.locator(".loading")).to_have_count(0)
            assert page.evaluate("document.documentElement.scrollWidth") == size[0], name
            picture = target / f"{name}-{look}.png"
            page.screenshot(path=picture, full_page=name != "variants")
            with Image.open(picture) as image:
                assert (np.asarray(image.convert("L")).mean() > 128) == (scheme == "light"), name
