"""The log of a job in the API: pages, levels, and the stream."""

from __future__ import annotations

import asyncio
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fixtures.api.running_api import Api, Tenant
from fixtures.worker.recorded_jobs import carry_out, claim_next, failed, new_job, plan, record_shard, segmented
from samfleet.client import AsyncClient
from samfleet.client.client import SamfleetClient
from samfleet.jobs.finish import finish_run
from samfleet.jobs.outcomes import ImageOutcome, ShardImage
from samfleet_cli.main import app


def first_fails(image: ShardImage) -> ImageOutcome:
    return failed(image) if image.image_id == 1 else segmented(image)


def read(tenant: Tenant, job: dict[str, Any], **parameters: Any) -> list[dict[str, Any]]:
    """Return all lines, read in pages of two."""
    items: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = tenant.http.get(f"/v1/jobs/{job['id']}/log", params={"limit": 2, **parameters, **cursor})
        page = answer.raise_for_status().json()
        items += page["items"]
        if page["next"] is None:
            return items
        cursor = {"cursor": page["next"]}


@pytest.fixture
def ended(api: Api, tenant: Tenant, folder: Path) -> dict[str, Any]:
    job = new_job(tenant, folder, images=4)
    carry_out(api, job, first_fails)
    return job


def test_lines_are_read_in_both_directions_and_by_level(tenant: Tenant, ended: dict[str, Any]) -> None:
    newest = read(tenant, ended)
    assert [line["id"] for line in newest] == sorted((line["id"] for line in newest), reverse=True)
    assert read(tenant, ended, after=0) == newest[::-1]
    assert read(tenant, ended, after=newest[1]["id"]) == newest[:1]
    assert read(tenant, ended, after=newest[0]["id"]) == []
    warnings = read(tenant, ended, level="warning")
    assert [line["code"] for line in warnings] == ["state", "images_failed"]
    failure = warnings[1]
    assert (failure["variant"], failure["pool"], failure["shard"]) == ("mobile_sam", "default", 0)
    assert failure["message"] == "1 image failed with image_truncated: 0.png"
    assert read(tenant, ended, level="error") == []


def test_a_log_belongs_to_its_tenant_and_its_job(tenant: Tenant, other_tenant: Tenant, ended: dict[str, Any]) -> None:
    path = f"/v1/jobs/{ended['id']}/log"
    assert other_tenant.http.get(path).json()["code"] == "job_not_found"
    assert tenant.http.get(path, params={"cursor": "WyJhIl0"}).json()["code"] == "cursor_invalid"
    assert tenant.http.get(path, params={"level": "debug"}).status_code == 422
    tenant.http.delete(f"/v1/jobs/{ended['id']}")
    assert tenant.http.get(path).status_code == 404


def events_of(text: str) -> list[tuple[str, Any]]:
    blocks = [dict(line.split(": ", 1) for line in block.splitlines()) for block in text.split("\n\n") if block]
    return [(block["event"], json.loads(block["data"])) for block in blocks if "event" in block]


def test_the_stream_sends_lines_only_on_request_and_goes_on_after_the_last(
    tenant: Tenant, ended: dict[str, Any]
) -> None:
    lines = read(tenant, ended, after=0)
    path = f"/v1/jobs/{ended['id']}/events"
    assert [kind for kind, _ in events_of(tenant.http.get(path).text)] == ["job"]
    whole = events_of(tenant.http.get(path, params={"log": 0}).text)
    assert [data for kind, data in whole if kind == "log"] == lines
    assert whole[-1][0] == "job"
    again = tenant.http.get(path, params={"log": 0}, headers={"Last-Event-ID": str(lines[-2]["id"])})
    assert [data for kind, data in events_of(again.text) if kind == "log"] == lines[-1:]
    assert tenant.http.get(path, params={"log": 0}, headers={"Last-Event-ID": "x"}).status_code == 422


def test_a_running_job_is_followed_to_its_end(api: Api, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder, images=2)
    plan(api, job)
    with SamfleetClient(api.url, tenant.key) as client:
        lines = client.follow_job_log(job["id"])
        assert next(lines)["message"] == "queued"
        claimed = claim_next(api, job["runs"][0]["id"])
        assert claimed is not None
        record_shard(api, claimed)
        finish_run(api.engine, api.store, uuid.UUID(job["runs"][0]["id"]))
        assert [line["message"] for line in lines][-1] == "running → completed"

    async def follow() -> list[int]:
        async with AsyncClient(api.url, tenant.key) as client:
            return [line["id"] async for line in client.follow_job_log(job["id"])]

    assert asyncio.run(follow()) == [line["id"] for line in read(tenant, job, after=0)]


def test_the_command_prints_the_newest_lines_oldest_first(api: Api, tenant: Tenant, ended: dict[str, Any]) -> None:
    def output(*words: str) -> list[str]:
        options = ["--api-url", api.url, "--api-key", tenant.key]
        result = CliRunner().invoke(app, ["jobs", "log", ended["id"][:8], *words, *options])
        assert result.exception is None, result.output
        return result.stdout.splitlines()

    assert output("--limit", "1")[0].endswith("job: running → completed with errors (state)")
    (failure, _) = output("--level", "warning")
    assert "warning mobile_sam on default shard 0: 1 image failed" in failure
    followed = [json.loads(line)["id"] for line in output("--follow", "--limit", "2", "--json")]
    assert followed == [line["id"] for line in read(tenant, ended)][1::-1]
