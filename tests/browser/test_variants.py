from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from fixtures.api.measured_tenant import beat
from fixtures.api.running_api import Api

pytestmark = pytest.mark.browser


def test_variants_are_filtered_by_the_url(api: Api, page: Page) -> None:
    beat(api)
    page.goto("/dashboard/variants?loaded=yes")
    expect(page.get_by_text("1 of ")).to_be_visible()
    expect(page.locator("#mobile_sam")).to_contain_text("default (triton:8001)")
    page.get_by_label("Loaded on a server").uncheck()
    page.get_by_label("Name").fill("fastsam")
    expect(page.locator(".card").first).to_contain_text("not accepted: AGPL-3.0")
    assert page.url.endswith("?name=fastsam")
    page.get_by_label("Name").fill("no such thing")
    expect(page.get_by_text("No variant matches")).to_be_visible()
