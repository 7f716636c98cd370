"""Every page in light and dark, on a desktop and on a phone, without overflow."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, StorageState

from fixtures.api.measured_tenant import beat
from fixtures.api.running_api import Api, Tenant
from fixtures.servers.chromium import DESKTOP, PHONE, looked_at, pages_of, visitor
from fixtures.worker.recorded_jobs import new_job, plan

pytestmark = pytest.mark.browser

SCHEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")


@pytest.mark.parametrize(("device", "size"), [("desk", DESKTOP), ("phone", PHONE)])
def test_nothing_overflows_in_any_look(
    browser: Browser,
    api: Api,
    measured: Tenant,
    measured_session: StorageState,
    folder: Path,
    pictures: Path,
    device: str,
    size: tuple[int, int],
) -> None:
    beat(api)
    plan(api, new_job(measured, folder, images=4, name="a" * 80))
    with visitor(browser, api.url, size, session=measured_session) as page:
        page.goto("/dashboard/login")
        page.get_by_label("API key").wait_for()
        look_at(page, "login", device, pictures)
        for name, address in pages_of(measured).items():
            looked_at(page, address)
            look_at(page, name, device, pictures)


def look_at(page: Page, name: str, device: str, pictures: Path) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        picture = pictures / f"{name}-{device}-{scheme}.png"
        page.screenshot(path=picture, full_page=name != "variants")
        with Image.open(picture) as image:
            assert (np.asarray(image.convert("L")).mean() > 128) == (scheme == "light"), name
