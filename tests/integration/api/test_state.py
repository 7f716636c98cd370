from __future__ import annotations

from pathlib import Path

import httpx

from fixtures.api.running_api import serve
from samfleet.config import Settings
from samfleet_api.app import create_app

NOBODY = "127.0.0.1:1"  # a reserved port without a listener


def test_the_api_starts_before_its_parts_and_names_the_missing_ones(tmp_path: Path) -> None:
    settings = Settings(
        database_url=f"postgresql+psycopg://nobody@{NOBODY}/nothing",
        broker_url=f"redis://{NOBODY}/0",
        storage_url=f"file://{tmp_path}",
        log_level="ERROR",
    )
    with serve(create_app(settings)) as url:
        assert httpx.get(f"{url}/healthz").status_code == 200
        answer = httpx.get(f"{url}/readyz", timeout=30)
        assert answer.status_code == 503
        assert {name: check["ok"] for name, check in answer.json()["checks"].items()} == {
            "database": False,
            "broker": False,
            "storage": True,
            "pools": False,
        }
        assert httpx.get(f"{url}/v1/jobs", headers={"Authorization": "Bearer x"}).status_code == 503
