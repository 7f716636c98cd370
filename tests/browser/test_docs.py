from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from fixtures.api.running_api import Api
from fixtures.servers.chromium import DOCS_MS, visitor

pytestmark = pytest.mark.browser


def test_the_documentation_loads_nothing_from_another_host(browser: Browser, api: Api, pictures: Path) -> None:
    with visitor(browser, api.url) as page:
        hosts: set[str] = set()
        page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
        page.goto("/docs")
        page.get_by_text("Submit a job", exact=True).click(timeout=DOCS_MS)
        expect(page.get_by_text("Create one run per variant and pool")).to_be_visible()
        page.screenshot(path=pictures / "docs.png")
        assert hosts == {api.url.removeprefix("http://")}
