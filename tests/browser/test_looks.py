"""Every page in light and dark, on a desk and on a phone, with nothing that sticks out."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from fixtures.api import Api, Tenant
from fixtures.browser import DESKTOP, PHONE, log_in, visitor
from fixtures.measured import beat
from fixtures.recorded import new_job, plan

pytestmark = pytest.mark.browser

LOOKS: dict[str, tuple[tuple[int, int], Literal["light", "dark"]]] = {
    "light": (DESKTOP, "light"),
    "dark": (DESKTOP, "dark"),
    "phone": (PHONE, "light"),
    "phone-dark": (PHONE, "dark"),
}
REPORTS = ("latency", "throughput", "quality", "pareto", "compare", "cost", "trend")


def addresses(tenant: Tenant) -> dict[str, str]:
    job = tenant.http.get("/v1/jobs", params={"state": "completed"}).json()["items"][-1]
    run_id = job["runs"][0]["id"]
    return {
        "overview": "/dashboard/",
        "job": f"/dashboard/jobs/{job['id']}",
        "image": f"/dashboard/runs/{run_id}/images/1",
        "failed": f"/dashboard/runs/{run_id}/images/3",
        **{name: f"/dashboard/reports/{name}" for name in REPORTS},
        "bad-filter": "/dashboard/reports/latency?since=yesterday",
        "no-rows": "/dashboard/reports/latency?variant=tiny_sam",
        "variants": "/dashboard/variants",
    }


@pytest.mark.parametrize("look", LOOKS)
def test_nothing_sticks_out_in_any_look(
    browser: Browser, api: Api, measured: Tenant, folder: Path, pictures: Path, look: str
) -> None:
    beat(api)
    plan(api, new_job(measured, folder, images=4, name="a" * 80))
    size, scheme = LOOKS[look]
    with visitor(browser, api.url, size, scheme) as page:
        page.goto("/dashboard/login")
        page.get_by_label("API key").wait_for()
        page.screenshot(path=pictures / f"login-{look}.png")
        log_in(page, measured.key)
        for name, address in addresses(measured).items():
            look_at(page, name, address, pictures / f"{name}-{look}.png", scheme)


def look_at(page: Page, name: str, address: str, picture: Path, scheme: str) -> None:
    page.goto(address)
    page.locator("h1").wait_for()
    expect(page.locator(".loading")).to_have_count(0)
    expect(page.locator("[aria-busy]")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
    page.screenshot(path=picture, full_page=name != "variants")
    with Image.open(picture) as image:
        assert (np.asarray(image.convert("L")).mean() > 128) == (scheme == "light"), name
