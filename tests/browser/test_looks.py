"""Every page in light and dark, on a desk and on a phone, with nothing that sticks out."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, StorageState

from fixtures.api import Api, Tenant
from fixtures.browser import DESKTOP, PHONE, looked_at, pages_of, visitor
from fixtures.measured import beat
from fixtures.recorded import new_job, plan

pytestmark = pytest.mark.browser

LOOKS: dict[str, tuple[tuple[int, int], Literal["light", "dark"]]] = {
    "light": (DESKTOP, "light"),
    "dark": (DESKTOP, "dark"),
    "phone": (PHONE, "light"),
    "phone-dark": (PHONE, "dark"),
}


@pytest.mark.parametrize("look", LOOKS)
def test_nothing_sticks_out_in_any_look(
    browser: Browser,
    api: Api,
    measured: Tenant,
    measured_session: StorageState,
    folder: Path,
    pictures: Path,
    look: str,
) -> None:
    beat(api)
    plan(api, new_job(measured, folder, images=4, name="a" * 80))
    size, scheme = LOOKS[look]
    with visitor(browser, api.url, size, scheme, measured_session) as page:
        page.goto("/dashboard/login")
        page.get_by_label("API key").wait_for()
        page.screenshot(path=pictures / f"login-{look}.png")
        for name, address in pages_of(measured).items():
            look_at(page, name, address, pictures / f"{name}-{look}.png", scheme)


def look_at(page: Page, name: str, address: str, picture: Path, scheme: str) -> None:
    looked_at(page, address)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
    page.screenshot(path=picture, full_page=name != "variants")
    with Image.open(picture) as image:
        assert (np.asarray(image.convert("L")).mean() > 128) == (scheme == "light"), name
