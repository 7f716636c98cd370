"""`samfleet reviews` and the clients' methods against the API."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from typer.testing import CliRunner

from fixtures.api.running_api import Api, Tenant
from samfleet.client.async_client import AsyncClient
from samfleet.client.client import SamfleetClient
from samfleet.client.transport import ApiError
from samfleet_cli.main import app


def output(api: Api, tenant: Tenant, *words: str) -> str:
    result = CliRunner().invoke(app, ["reviews", *words, "--api-url", api.url, "--api-key", tenant.key])
    if result.exception is not None:
        raise result.exception
    return result.stdout


def test_a_review_is_changed_by_the_clients_and_shown_by_the_command(api: Api, tenant: Tenant, run_path: str) -> None:
    run_id = run_path.rpartition("/")[2]
    changes = [{"masks": [0, 1], "merge": True, "category": "cat"}]
    with SamfleetClient(api.url, tenant.key) as client:
        assert client.next_to_review(run_id) == {"image_id": 1, "file_name": "0.png"}
        made = client.change_review(run_id, 1, 0, changes)
        assert client.review(run_id, 1) == made
        with pytest.raises(ApiError) as refused:
            client.change_review(run_id, 1, 0, [{"masks": [0], "state": "deleted"}])
        assert refused.value.problem_code == "review_changed"
        assert client.next_to_review(run_id, after=1)["image_id"] == 3
        progress = client.review_progress(run_id)
        (of_job,) = client.job_review(client.run(run_id).job_id)["items"]
        assert {**of_job, "categories": ["cat"]} == progress
    assert asyncio.run(_read_later(api, tenant, run_id)) == [made, progress, changes]
    assert json.loads(output(api, tenant, "progress", run_id[:8], "--json")) == progress
    lines = output(api, tenant, "progress", run_id, "--plain").splitlines()
    assert [line.split("\t") for line in lines[:2]] == [["registered", "2", "0", "0", ""], ["all", "2", "0", "0", "4"]]
    assert "masks 0, 1: category cat, merged" in output(api, tenant, "history", run_id, "1", "--plain")
    assert json.loads(output(api, tenant, "history", run_id, "3", "--json")) == []


async def _read_later(api: Api, tenant: Tenant, run_id: str) -> list[Any]:
    async with AsyncClient(api.url, tenant.key) as client:
        history = [one["changes"] async for one in client.review_history(run_id, 1)]
        return [await client.review(run_id, 1), await client.review_progress(run_id), *history]
