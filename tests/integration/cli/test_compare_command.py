"""`samfleet compare` against the API, with the shipped function in place of a worker."""

from __future__ import annotations

import asyncio
import json
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fixtures.api.annotated_run import annotated_job
from fixtures.api.running_api import Api, Tenant
from fixtures.worker.recorded_jobs import carry_out, mask, new_job, segmented
from samfleet.client import AsyncClient, Client
from samfleet.client.wait import ComparisonNotCompleted, wait_for_comparison
from samfleet.comparisons.build import build_comparison
from samfleet_cli.commands.compare import SortNeedsTwoRuns
from samfleet_cli.main import app


def run(api: Api, tenant: Tenant, *words: str) -> str:
    options = ["--api-url", api.url, "--api-key", tenant.key]
    result = CliRunner().invoke(app, ["compare", *words, *options], env={"COLUMNS": "200"})
    if result.exception is not None:
        raise result.exception
    return result.stdout


@pytest.fixture
def runs(api: Api, tenant: Tenant, folder: Path) -> list[str]:
    """Two runs; the second lost a mask of image 2."""
    job = new_job(tenant, folder, images=3, variants=["mobile_sam", "repvit_sam"])
    ordered = sorted(job["runs"], key=lambda one: one["variant"])
    carry_out(api, {**job, "runs": ordered[:1]})
    one_less = (mask(),)
    carry_out(
        api,
        {**job, "runs": ordered[1:]},
        lambda image: replace(segmented(image), masks=one_less) if image.image_id == 2 else segmented(image),
    )
    return [one["id"] for one in ordered]


def test_two_runs_are_compared_in_words_and_figures(api: Api, tenant: Tenant, folder: Path, runs: list[str]) -> None:
    with Client(api.url, tenant.key) as client:
        build_comparison(api.engine, api.store, uuid.UUID(client.create_comparison(*runs)["id"]))
    shown = run(api, tenant, *runs, "--limit", "2")
    assert f"A: mobile_sam, everything, 32 points per side, dataset {folder.name}, on A CPU (run {runs[0]})" in shown
    assert "3 images, 6 masks in A and 5 in B: 5 matched, mean IoU 1.000, of which 0 changed" in shown
    assert "1 lost, 0 gained; agreement 0.909." in shown
    rows = [line.split() for line in shown.splitlines() if ".png" in line]
    assert rows == [["1.png", "0.333", "1.000", "1", "0", "1", "0", *rows[0][7:]], ["0.png", "0.000", *rows[1][2:]]]
    assert rows[0][7:] == ["0.750", "0.750", "0.000"]
    as_json = json.loads(run(api, tenant, runs[0][:8], runs[1][:8], "--json", "--sort", "position"))
    assert [one["image_id"] for one in as_json["images"]] == [1, 2, 3]
    assert as_json["summary"]["lost"] == 1
    plain = run(api, tenant, *runs, "--plain", "--sort", "iou-change")
    assert [line.split("\t")[0] for line in plain.splitlines()] == ["0.png", "1.png", "2.png"]


def test_both_clients_have_all_calls(api: Api, tenant: Tenant, runs: list[str]) -> None:
    with Client(api.url, tenant.key) as client:
        made = client.create_comparison(*runs)
        build_comparison(api.engine, api.store, uuid.UUID(made["id"]))
        done = wait_for_comparison(client, made)
        images = list(client.comparison_images(made["id"]))
        matched = client.image_comparison(runs[0], 2, runs[1])
        assert (done["summary"]["matched"], images[0]["image_id"], matched["lost"]) == (5, 2, [1])

    async def by_await() -> None:
        async with AsyncClient(api.url, tenant.key) as client:
            assert await client.create_comparison(*runs) == done
            assert await client.comparison(made["id"]) == done
            assert [one async for one in client.comparisons(run_a=runs[0])] == [done]
            assert [one async for one in client.comparison_images(made["id"], sort="disagreement")] == images
            assert await client.image_comparison(runs[0], 2, runs[1]) == matched
            await client.delete_comparison(made["id"])

    asyncio.run(by_await())
    with Client(api.url, tenant.key) as client:
        assert list(client.comparisons()) == []


def test_one_run_is_compared_with_the_annotations(api: Api, tenant: Tenant, folder: Path) -> None:
    job = annotated_job(api, tenant, folder)
    run_id = job["runs"][0]["id"]
    images = json.loads(run(api, tenant, run_id, "--json"))
    assert [(one["file_name"], one["lost"], one["gained"], one["ignored"]) for one in images[:1]] == [
        ("0.png", [1], [], [1])
    ]
    plain = [line.split("\t") for line in run(api, tenant, run_id, "--plain", "--limit", "1").splitlines()]
    assert plain == [["0.png", "0.750", "1", "0", "1", "0"]]
    with pytest.raises(SortNeedsTwoRuns):
        run(api, tenant, run_id, "--sort", "position")

    async def by_await() -> dict[str, Any]:
        async with AsyncClient(api.url, tenant.key) as client:
            return await client.annotation_comparison(run_id, 1)

    with Client(api.url, tenant.key) as client:
        assert client.annotation_comparison(run_id, 1) == asyncio.run(by_await())


def test_a_failed_comparison_is_an_error_with_its_reason(api: Api, tenant: Tenant, runs: list[str]) -> None:
    with Client(api.url, tenant.key) as client:
        made = client.create_comparison(*runs)
        api.store.delete_prefix(f"runs/{runs[1]}/parts/")
        build_comparison(api.engine, api.store, uuid.UUID(made["id"]))
        with pytest.raises(ComparisonNotCompleted, match="object_not_found"):
            wait_for_comparison(client, made)
