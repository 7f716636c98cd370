"""The catalogue over HTTP: variants, pools, hardware and readiness."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import delete

from fixtures.api.running_api import Api, Tenant
from fixtures.models.renamed_variants import add_variants
from fixtures.models.shared_data import weights_dir
from fixtures.worker.recorded_jobs import carry_out, new_job, segmented
from samfleet.db.models import WorkerHeartbeat
from samfleet.db.session import transaction
from samfleet.jobs.outcomes import ImageOutcome, ShardImage
from samfleet.variants.catalogue import get_variant
from samfleet_api.variants.weights import weights_here


@pytest.fixture
def heartbeats(api: Api) -> Iterator[None]:
    """Pool `default` has one worker with a ready Triton and one long gone; pool `other` has none."""
    now = datetime.now(UTC)
    detail = {"servers": [{"address": "127.0.0.1:1", "ready": True, "variants": ["mobile_sam"]}]}
    ages = {"fresh": timedelta(0), "gone": timedelta(minutes=2)}
    with transaction(api.engine) as session:
        for name, age in ages.items():
            beat = WorkerHeartbeat(worker=name, pool="default", started_at=now - age, seen_at=now - age)
            beat.triton_ready, beat.detail = True, detail
            session.add(beat)
    yield
    with transaction(api.engine) as session:
        session.execute(delete(WorkerHeartbeat).where(WorkerHeartbeat.worker.in_(ages)))


def test_variants_are_listed_and_read_by_name(tenant: Tenant) -> None:
    (first, *_) = tenant.http.get("/v1/variants").json()["items"]
    assert (first["name"], first["input_size"]) == ("mobile_sam", 1024)
    assert first["everything"]["points_per_side"] == 32
    assert tenant.http.get("/v1/variants/mobile_sam").json() == first
    missing = tenant.http.get("/v1/variants/sam_9")
    assert (missing.status_code, missing.json()["code"]) == (404, "variant_not_found")


def test_a_variant_lists_the_licences_still_to_be_accepted(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    add_variants(monkeypatch, "edgy", weights_licence="S-Lab-1.0")
    shown = tenant.http.get("/v1/variants/edgy").json()
    assert (shown["weights_licence"], shown["licences_to_accept"]) == ("S-Lab-1.0", ["S-Lab-1.0"])
    assert tenant.http.get("/v1/variants/mobile_sam").json()["licences_to_accept"] == []


def test_pools_come_from_settings_with_their_live_workers(tenant: Tenant, heartbeats: None) -> None:
    default, other = tenant.http.get("/v1/pools").json()["items"]
    assert (default["name"], default["ready"], [worker["name"] for worker in default["workers"]]) == (
        "default",
        True,
        ["fresh"],
    )
    assert default["workers"][0]["detail"]["servers"][0]["variants"] == ["mobile_sam"]
    assert (other["name"], other["ready"], other["workers"], other["devices"]) == ("other", False, [], [])


def test_hardware_of_recorded_runs_is_listed(api: Api, tenant: Tenant, folder: Path) -> None:
    """The list contains the hardware of all tenants."""
    facts = {"device_kind": "cuda", "device_name": uuid.uuid4().hex, "driver": "570"}

    def outcome(image: ShardImage) -> ImageOutcome:
        made = segmented(image)
        assert made.report is not None
        return replace(made, report=replace(made.report, hardware=facts))

    carry_out(api, new_job(tenant, folder), outcome)
    found = {one["device_name"]: one for one in tenant.http.get("/v1/hardware").json()["items"]}
    assert found[facts["device_name"]]["facts"] == facts


def test_readiness_names_every_part_and_pools_do_not_count(api: Api, heartbeats: None) -> None:
    answer = httpx.get(f"{api.url}/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")
    checks = answer.json()["checks"]
    assert {name: check["ok"] for name, check in checks.items()} == {
        "database": True,
        "broker": True,
        "storage": True,
        "pools": False,
    }
    assert checks["pools"]["detail"] == "default: 1 worker(s), Triton ready; other: no worker"
    assert all(check["ms"] >= 0 for check in checks.values())


def test_the_api_is_not_ready_while_the_broker_is_down(api: Api) -> None:
    api.queue.down = True
    try:
        answer = httpx.get(f"{api.url}/readyz")
    finally:
        api.queue.down = False
    assert answer.status_code == 503
    assert answer.json()["checks"]["broker"]["ok"] is False


def test_health_and_documentation_need_no_key(api: Api) -> None:
    assert httpx.get(f"{api.url}/healthz").json() == {"status": "ok"}
    assert httpx.get(f"{api.url}/docs").status_code == 200
    assert httpx.get(f"{api.url}/openapi.json").json()["info"]["title"] == "samfleet"


def test_a_variant_says_whether_its_weights_are_present(tmp_path: Path) -> None:
    record = get_variant("mobile_sam")
    assert weights_here(record, tmp_path / "nowhere") is None
    assert weights_here(record, tmp_path) is False
    assert weights_here(record, weights_dir()) is True
