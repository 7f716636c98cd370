"""Estimates of jobs over HTTP, by the client and by the command line."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from fixtures.api.running_api import Api, Tenant, new_tenant
from fixtures.worker.recorded_jobs import carry_out, new_job, segmented
from samfleet.client import AsyncClient, Client
from samfleet.db.models import Job
from samfleet.db.session import transaction
from samfleet.jobs.outcomes import ImageOutcome, ShardImage
from samfleet_cli.main import app

LAST_SECONDS = (6.0, 12.0)  # wall time of the earlier runs, of three images each
PRICE = 3.6  # an hour; a second costs a thousandth

# A run's wall time is that of its rollups; the test's own is unknown.
LAST = text(
    """
    UPDATE rollups SET ended_at = started_at + make_interval(secs => :seconds)
    FROM report_series WHERE report_series.id = rollups.series_id AND origin_job_id = :job
    """
)


@pytest.fixture(scope="module")
def measured(api: Api) -> Iterator[tuple[Tenant, dict[str, Any]]]:
    """A tenant with two runs of the same task on one pool, and its last job."""
    with new_tenant(api) as tenant:
        jobs = []
        for seconds in LAST_SECONDS:
            folder = api.root / uuid.uuid4().hex
            folder.mkdir()
            job = new_job(tenant, folder)
            carry_out(api, job)
            with transaction(api.engine) as session:
                session.execute(LAST, {"seconds": seconds, "job": uuid.UUID(job["id"])})
            jobs.append(job)
        yield tenant, jobs[-1]


def body(job: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"dataset_id": job["dataset_id"], "variants": ["mobile_sam"], "task": {"kind": "everything"}, **changes}


def estimate(tenant: Tenant, wanted: dict[str, Any]) -> dict[str, Any]:
    answer = tenant.http.post("/v1/job-estimate", json=wanted)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_time_and_size_come_from_earlier_runs(api: Api, measured: tuple[Tenant, dict[str, Any]]) -> None:
    tenant, job = measured
    found = estimate(tenant, body(job))
    (run,) = found["runs"]
    seconds = run["seconds"]
    assert (run["variant"], run["pool"], run["images"]) == ("mobile_sam", "default", 3)
    assert (seconds["value"], seconds["low"], seconds["high"]) == (6.0, 6.0, 12.0)
    assert (seconds["known"], seconds["runs"], seconds["images"]) == ("measured", 2, 6)
    assert seconds["source"] == "2 earlier runs with this task on pool default, 6 images"
    runs = [one["id"] for job in tenant.http.get("/v1/jobs").json()["items"] for one in job["runs"]]
    sizes = [sum(part.size for part in api.store.list(f"runs/{run_id}/parts/")) for run_id in runs]
    assert run["object_bytes"]["value"] == min(sizes)  # the lower median of two
    assert run["object_bytes"]["high"] == max(sizes)
    assert run["database_bytes"]["known"] == "documented"
    assert found["total"]["seconds"]["value"] == 6.0
    assert found["total"]["images_per_second"] == 0.5


def test_a_cost_needs_a_price(measured: tuple[Tenant, dict[str, Any]]) -> None:
    tenant, job = measured
    before = estimate(tenant, body(job))["total"]
    assert (before["cost"]["value"], before["currency"]) == (None, None)
    assert "no price is set for" in estimate(tenant, body(job))["runs"][0]["cost"]["source"]
    for hardware in tenant.http.get("/v1/reports/latency", params={"stage": "image"}).json()["rows"]:
        price = {"per_hour": PRICE, "currency": "EUR"}
        tenant.http.put(f"/v1/hardware/{hardware['hardware_id']}/price", json=price).raise_for_status()
    after = estimate(tenant, body(job))["total"]
    device_seconds = 3 * (4.0 + 10.0) / 1000  # encode and decode of three images
    assert after["currency"] == "EUR"
    assert after["cost"]["value"] == pytest.approx(device_seconds * PRICE / 3600)


def test_prices_in_several_currencies_make_no_cost(api: Api, tenant: Tenant, folder: Path) -> None:
    def one_each(image: ShardImage) -> ImageOutcome:
        made = segmented(image)
        assert made.report is not None
        facts = {"device_kind": "cpu", "device_name": f"CPU {image.image_id}"}
        return replace(made, report=replace(made.report, hardware=facts))

    job = new_job(tenant, folder, images=2)
    carry_out(api, job, one_each)
    rows = tenant.http.get("/v1/reports/latency", params={"stage": "image"}).json()["rows"]
    for row, currency in zip(rows, ("EUR", "USD"), strict=True):
        price = {"per_hour": PRICE, "currency": currency}
        tenant.http.put(f"/v1/hardware/{row['hardware_id']}/price", json=price).raise_for_status()
    (run,) = estimate(tenant, body(job))["runs"]
    assert (run["cost"]["value"], run["currency"]) == (None, None)
    assert run["cost"]["source"] == "the hardware of pool default has prices in several currencies"


def test_a_time_scaled_from_few_images_says_so(api: Api, tenant: Tenant, folder: Path) -> None:
    small, large = folder / "small", folder / "large"
    for part in (small, large):
        part.mkdir()
    job = new_job(tenant, small, images=1)
    carry_out(api, job)
    with transaction(api.engine) as session:
        session.execute(LAST, {"seconds": 2.0, "job": uuid.UUID(job["id"])})
    notes = [estimate(tenant, body(one))["notes"] for one in (job, new_job(tenant, large, images=11))]
    said = "the time of mobile_sam on default is scaled from less than a tenth of the images"
    assert [said in one for one in notes] == [False, True]


def test_another_task_variant_or_pool_is_not_measured(measured: tuple[Tenant, dict[str, Any]]) -> None:
    tenant, job = measured
    for changes in (
        {"task": {"kind": "everything", "points_per_side": 8}},
        {"variants": ["repvit_sam"]},
        {"pools": ["other"]},
    ):
        (run,) = estimate(tenant, body(job, **changes))["runs"]
        assert (run["seconds"]["value"], run["seconds"]["known"]) == (None, "unknown"), changes
        assert run["seconds"]["source"].startswith("not measured yet: no run of "), changes


def test_a_total_is_unknown_if_a_run_is(measured: tuple[Tenant, dict[str, Any]]) -> None:
    tenant, job = measured
    total = estimate(tenant, body(job, variants=["mobile_sam", "repvit_sam"]))["total"]
    assert total["images"] == 6
    assert total["seconds"]["value"] is None
    assert total["seconds"]["source"] == "the time of 1 of 2 runs is not known yet"


def test_nothing_is_created(api: Api, measured: tuple[Tenant, dict[str, Any]]) -> None:
    tenant, job = measured
    with transaction(api.engine) as session:
        before = session.query(Job).filter_by(tenant_id=tenant.id).count()
        sent = len(api.queue.sent)
    estimate(tenant, body(job, name="never submitted"))
    with transaction(api.engine) as session:
        assert session.query(Job).filter_by(tenant_id=tenant.id).count() == before
    assert len(api.queue.sent) == sent


def test_runs_of_others_say_nothing(tenant: Tenant, folder: Path, measured: tuple[Tenant, dict[str, Any]]) -> None:
    assert measured
    job = new_job(tenant, folder)
    (run,) = estimate(tenant, body(job))["runs"]
    assert run["seconds"]["known"] == run["object_bytes"]["known"] == "unknown"


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"variants": ["mobile_sma"]}, 422, "variant_unknown"),
        ({"pools": ["nowhere"]}, 422, "pool_unknown"),
        ({"task": {"kind": "everything", "points_per_side": 0}}, 422, "task_invalid"),
        ({"task": {"kind": "prompts", "prompt": "box"}}, 422, "annotations_missing"),
        ({"labels": {"": "x"}}, 422, "labels_invalid"),
        ({"dataset_id": str(uuid.uuid4())}, 404, "dataset_not_found"),
    ],
)
def test_what_could_not_be_submitted_is_refused(
    measured: tuple[Tenant, dict[str, Any]], changes: dict[str, Any], status: int, code: str
) -> None:
    tenant, job = measured
    wanted = body(job, **changes)
    answers = [tenant.http.post(path, json=wanted) for path in ("/v1/job-estimate", "/v1/jobs")]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(status, code)] * 2
    assert answers[0].json()["detail"] == answers[1].json()["detail"]


def test_a_rerun_is_estimated_with_its_changes(measured: tuple[Tenant, dict[str, Any]]) -> None:
    tenant, job = measured
    (run,) = estimate(tenant, {"rerun_of": job["id"]})["runs"]
    assert (run["variant"], run["seconds"]["value"]) == ("mobile_sam", 6.0)
    (changed,) = estimate(tenant, {"rerun_of": job["id"], "variants": ["repvit_sam"]})["runs"]
    assert changed["variant"] == "repvit_sam"


def test_the_clients_estimate(api: Api, measured: tuple[Tenant, dict[str, Any]]) -> None:
    tenant, job = measured
    asked = job["dataset_id"], ["mobile_sam"], {"kind": "everything"}
    with Client(api.url, tenant.key) as client:
        found = client.estimate_job(*asked, pools=["default"])
        assert found["total"]["seconds"]["value"] == 6.0
        assert client.estimate_job(rerun_of=job["id"])["total"] == found["total"]

    async def estimated() -> dict[str, Any]:
        async with AsyncClient(api.url, tenant.key) as asynchronous:
            return await asynchronous.estimate_job(*asked)

    assert asyncio.run(estimated())["total"] == found["total"]


def test_the_command_estimates(api: Api, measured: tuple[Tenant, dict[str, Any]]) -> None:
    tenant, job = measured
    words = ["jobs", "estimate", job["dataset_id"][:8], "--variant", "mobile_sam", "--api-url", api.url]
    shown = CliRunner().invoke(app, [*words, "--api-key", tenant.key])
    assert shown.exception is None, shown.output
    assert "6 s (6 s to 12 s)" in " ".join(shown.stdout.split())
    assert "2 earlier runs with this task on pool default, 6 images" in " ".join(shown.output.split())
    made = CliRunner().invoke(app, [*words, "--api-key", tenant.key, "--json"])
    assert json.loads(made.stdout) == estimate(tenant, body(job))
