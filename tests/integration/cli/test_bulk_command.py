"""`samfleet jobs bulk` and `jobs list --sort` against the real API."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner, Result

from fixtures.api.running_api import Api, Tenant
from fixtures.worker.recorded_jobs import carry_out, new_job
from samfleet.client.client import SamfleetClient
from samfleet_cli.main import app


def call(api: Api, tenant: Tenant, *words: str, answer: str = "") -> Result:
    return CliRunner().invoke(app, [*words, "--api-url", api.url, "--api-key", tenant.key], input=answer)


def test_matching_jobs_are_cancelled_after_a_confirmation(api: Api, tenant: Tenant, folder: Path) -> None:
    for name in ("a1", "a2", "b"):
        new_job(tenant, folder, images=1, name=name, labels={"team": name[0]})
    words = ("jobs", "bulk", "cancel", "--label", "team=a", "--state", "queued", "--plain")
    refused = call(api, tenant, *words, answer="n\n")
    assert refused.exit_code == 1
    assert "Cancel 2 jobs?" in refused.output
    done = call(api, tenant, *words, "--yes")
    assert done.exit_code == 0, done.output
    assert [line.split("\t")[1:] for line in done.stdout.splitlines()] == [
        ["a2", "cancelled", ""],
        ["a1", "cancelled", ""],
    ]
    listed = call(api, tenant, "jobs", "list", "--sort", "-name", "--plain").stdout.splitlines()
    assert [line.split("\t")[1:3] for line in listed] == [["b", "queued"], ["a2", "cancelled"], ["a1", "cancelled"]]


def test_named_jobs_are_exported_and_refusals_are_listed(api: Api, tenant: Tenant, folder: Path) -> None:
    ended, waiting = (new_job(tenant, folder, images=1, name=name) for name in ("ended", "waiting"))
    carry_out(api, ended)
    ids = (ended["id"][:8], waiting["id"])
    result = call(api, tenant, "jobs", "bulk", "export", *ids, "--format", "coco", "--yes", "--json")
    assert result.exit_code == 1
    first, second = json.loads(result.stdout)
    assert (first["name"], first["exports"], first["error"]) == ("ended", 1, None)
    assert (second["name"], second["error"]["code"]) == ("waiting", "run_not_ended")


def test_wrong_usage_changes_nothing(api: Api, tenant: Tenant) -> None:
    for words in (
        ("burn", "--state", "queued"),
        ("cancel",),
        ("cancel", "abcdef", "--state", "queued"),
        ("export", "abcdef"),
    ):
        assert call(api, tenant, "jobs", "bulk", *words).exit_code == 2, words


async def act_async(api: Api, tenant: Tenant, job_ids: list[str]) -> list[str | None]:
    from samfleet.client import AsyncClient

    async with AsyncClient(api.url, tenant.key) as client:
        assert await client.count_jobs(state="queued") == 1
        return [one.state for one in await client.act_on_jobs("pause", job_ids)]


def test_both_clients_act_on_more_jobs_than_a_request_takes(api: Api, tenant: Tenant, folder: Path) -> None:
    import asyncio

    job = new_job(tenant, folder, images=1)
    assert asyncio.run(act_async(api, tenant, [job["id"]])) == ["paused"]
    unknown = [f"00000000-0000-4000-8000-{number:012}" for number in range(1001)]
    with SamfleetClient(api.url, tenant.key) as client:
        found = client.act_on_jobs("resume", [*unknown, job["id"]])
    assert [one.state for one in found if one.error is None] == ["queued"]
    assert {one.error.code for one in found if one.error} == {"job_not_found"}
    assert len(found) == len(unknown) + 1
