from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, StorageState

from fixtures.api.measured_tenant import measure
from fixtures.api.running_api import Api, Tenant, new_tenant
from fixtures.api.varied_tenant import vary
from fixtures.servers.chromium import chromium, log_in, visitor


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, api: Api, tenant: Tenant) -> Iterator[Page]:
    with visitor(browser, api.url) as page:
        log_in(page, tenant.key)
        yield page


@pytest.fixture(scope="session")
def measured(browser: Browser, api: Api) -> Iterator[Tenant]:
    """The tenant with measurements, shared by all tests; they only read."""
    folder = api.root / "shop shelves"
    folder.mkdir()
    with new_tenant(api) as tenant:
        measure(api, tenant, folder)
        yield tenant


@pytest.fixture(scope="session")
def measured_session(browser: Browser, api: Api, measured: Tenant) -> StorageState:
    """The session cookie of the tenant with measurements; logging in once is enough."""
    with visitor(browser, api.url) as page:
        log_in(page, measured.key)
        return page.context.storage_state()


@pytest.fixture(scope="session")
def varied(browser: Browser, api: Api) -> Iterator[tuple[Tenant, StorageState]]:
    """The tenant with many kinds of measurements, and its session cookie."""
    with new_tenant(api) as tenant:
        vary(api, tenant, api.root / "varied")
        with visitor(browser, api.url) as page:
            log_in(page, tenant.key)
            cookie = page.context.storage_state()
        yield tenant, cookie


@pytest.fixture
def reader(browser: Browser, api: Api, measured_session: StorageState) -> Iterator[Page]:
    """A page of the tenant with measurements."""
    with visitor(browser, api.url, session=measured_session) as page:
        yield page


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """The folder of BROWSER_SCREENSHOTS, in which the pictures are stored."""
    folder = Path(os.environ.get("BROWSER_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
