from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from fixtures.api.running_sites import RunningSite, SiteApi, open_site, serve_site
from fixtures.servers.postgres import _create_database


@pytest.fixture(scope="module")
def running(
    postgres: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunningSite, RunningSite]]:
    names = [f"site_{uuid.uuid4().hex}" for _ in range(2)]
    lab, laptop = (_create_database(postgres, name, template_database) for name in names)
    folder = tmp_path_factory.mktemp("sites")
    with serve_site("lab", lab, folder / "lab") as one, serve_site("laptop", laptop, folder / "laptop") as other:
        yield one, other


@pytest.fixture
def lab(running: tuple[RunningSite, RunningSite]) -> Iterator[SiteApi]:
    """The site that exports."""
    with open_site(running[0]) as site:
        yield site


@pytest.fixture
def laptop(running: tuple[RunningSite, RunningSite]) -> Iterator[SiteApi]:
    """The site that imports."""
    with open_site(running[1]) as site:
        yield site
