"""`samfleet pools` with what the heartbeats of two workers say of one pool."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import delete
from typer.testing import CliRunner

from fixtures.api.running_api import Api, Tenant
from samfleet.db.models import WorkerHeartbeat
from samfleet.db.session import transaction
from samfleet_cli.main import app

LOADING = {"loading": {"sam_vit_h": "2026-01-01T00:00:00+00:00"}}


def pools(api: Api, tenant: Tenant, *words: str) -> str:
    options = ["--api-url", api.url, "--api-key", tenant.key]
    result = CliRunner().invoke(app, ["pools", *words, *options], env={"COLUMNS": "200"})
    if result.exception is not None:
        raise result.exception
    return result.stdout


def server(number: int, *, ready: bool, share: float = 0.0) -> dict[str, Any]:
    if not ready:
        return {"address": f"10.0.0.{number}:8001", "ready": False, "version": "", "variants": [], "devices": []}
    gpu = {
        "id": f"GPU-{number}",
        "kind": "cuda",
        "name": "NVIDIA L4",
        "fingerprint_sha256": "0" * 64,
        "busy_share": share,
        "memory_used_bytes": 1,
        "memory_total_bytes": 2,
        "utilization": None,
        "power_watts": None,
        "seen_at": "2026-01-01T00:00:00Z",
    }
    known = {"address": f"10.0.0.{number}:8001", "ready": True, "version": "2.51.0"}
    return {**known, "variants": ["mobile_sam"], "devices": [gpu]}


@pytest.fixture(autouse=True)
def workers(api: Api) -> Iterator[None]:
    """The second worker does not reach the first server; nobody reaches the third."""
    seen = [
        [{**server(1, ready=True, share=0.5), **LOADING}, server(2, ready=True), server(3, ready=False)],
        [server(1, ready=False), server(2, ready=True, share=0.25), server(3, ready=False)],
    ]
    now = datetime.now(UTC)
    with transaction(api.engine) as session:
        for number, servers in enumerate(seen):
            beat = WorkerHeartbeat(worker=f"shown-{number}", pool="default", started_at=now, seen_at=now)
            beat.triton_ready, beat.detail = True, {"servers": servers}
            session.add(beat)
    yield
    with transaction(api.engine) as session:
        session.execute(delete(WorkerHeartbeat).where(WorkerHeartbeat.worker.like("shown-%")))


def test_each_server_counts_once_and_is_ready_if_a_worker_reaches_it(api: Api, tenant: Tenant) -> None:
    cells = pools(api, tenant, "--plain").splitlines()[0].split("\t")
    assert cells[:2] == ["default", "ready"]
    assert cells[2:8] == ["2 of 3", "2.51.0 x 2", "2", "NVIDIA L4 x 2", "38%", "mobile_sam x 2"]
    assert cells[8] == "sam_vit_h"
    assert [cell.isdigit() for cell in cells[9:]] == [True, True]


def test_people_get_a_table_and_programs_the_api_s_objects(api: Api, tenant: Tenant) -> None:
    assert "NVIDIA L4 x 2" in pools(api, tenant)
    found = json.loads(pools(api, tenant, "--json"))
    assert [pool["name"] for pool in found] == ["default", "other"]
    assert len(found[0]["workers"]) == 2
