"""Pulls of weights by requests: refused, started, done by a worker's task, and recorded."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, select, update
from typer.testing import CliRunner

from fixtures.api.pullable import ChangedSettings, record, settings
from fixtures.api.running_api import Api, Tenant
from fixtures.models.renamed_variants import add_variants
from fixtures.models.weight_archives import WEIGHTS
from fixtures.servers.file_server import FileServer, Served
from samfleet.client import AsyncClient, Client
from samfleet.db.models import AuditEvent, PullState, WeightPull, WorkerHeartbeat
from samfleet.db.session import transaction
from samfleet.jobs.queue import MemoryTaskQueue, TaskName
from samfleet.pulls.request import SILENT_AFTER, TooManyPulls, cancel_pull, request_pull, resend_pulls
from samfleet.pulls.work import MOST_CLAIMS, RecordedProgress, run_pull
from samfleet.variants.catalogue import get_variant
from samfleet.variants.record import VariantRecord
from samfleet.variants.weights.progress import PullCancelled
from samfleet.variants.weights.pull import WeightsUnavailable
from samfleet_cli.main import app

__all__ = ["record", "settings"]


def requested(tenant: Tenant, name: str) -> tuple[int, dict[str, Any]]:
    answer = tenant.http.post(f"/v1/variants/{name}/pull")
    return answer.status_code, answer.json()


def test_a_pull_is_requested_done_and_read(
    api: Api, tenant: Tenant, settings: ChangedSettings, record: VariantRecord
) -> None:
    path = f"/v1/variants/{record.name}/pull"
    assert tenant.http.get(path).json()["code"] == "pull_not_found"
    before = len(api.queue.sent)
    status, queued = requested(tenant, record.name)
    assert (status, queued["state"], queued["variant"]) == (202, "queued", record.name)
    assert [(task.task, task.args) for task in api.queue.sent[before:]] == [(TaskName.PULL, (record.name,))]
    assert requested(tenant, record.name) == (200, queued)  # under way: no second task
    assert len(api.queue.sent) == before + 1
    run_pull(api.engine, record, settings.weights_dir, ())
    done = tenant.http.get(path).json()
    assert (done["state"], done["file"], done["error"]) == ("completed", "tiny.pt", None)
    assert (done["done_bytes"], done["total_bytes"]) == (0, len(WEIGHTS))  # it ended within the first second
    assert (settings.weights_dir / "tiny.pt").read_bytes() == WEIGHTS
    shown = tenant.http.get(f"/v1/variants/{record.name}").json()
    assert shown["weights"] == [{"pool": "default", "present": True}, {"pool": "other", "present": True}]
    assert requested(tenant, record.name)[1]["code"] == "weights_present"
    with transaction(api.engine) as session:
        events = session.scalars(select(AuditEvent).where(AuditEvent.tenant_id == tenant.id)).all()
        assert [(one.action, one.detail) for one in events if one.action.startswith("weights")] == [
            ("weights.pull_requested", {"variant": record.name})
        ]


def test_an_unreachable_source_fails_the_pull_with_the_reason(
    api: Api, tenant: Tenant, settings: ChangedSettings, record: VariantRecord, file_server: FileServer
) -> None:
    file_server.files["/tiny.pt"] = Served(b"gone", 404)
    requested(tenant, record.name)
    run_pull(api.engine, record, settings.weights_dir, ())
    failed = tenant.http.get(f"/v1/variants/{record.name}/pull").json()
    assert (failed["state"], failed["error"]["code"]) == ("failed", "weights_unavailable")
    assert "the server replied 404" in failed["error"]["message"]
    file_server.files["/tiny.pt"] = Served(WEIGHTS)
    assert requested(tenant, record.name)[0] == 202  # it may be tried again
    run_pull(api.engine, record, settings.weights_dir, ())
    assert tenant.http.get(f"/v1/variants/{record.name}/pull").json()["state"] == "completed"


def test_a_cancelled_pull_stops_and_leaves_no_partial_file(
    api: Api, tenant: Tenant, settings: ChangedSettings, record: VariantRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/v1/variants/{record.name}/pull"
    assert tenant.http.delete(path).json()["code"] == "pull_not_found"
    begin = RecordedProgress.begin

    def begin_and_be_cancelled(progress: RecordedProgress, what: str, total: int | None, done: int) -> None:
        begin(progress, what, total, done)
        assert tenant.http.delete(path).json()["state"] == "cancelled"

    requested(tenant, record.name)
    with monkeypatch.context() as patched:
        patched.setattr("samfleet.pulls.work.SHOWN_EVERY_SECONDS", 0.0)
        patched.setattr(RecordedProgress, "begin", begin_and_be_cancelled)
        run_pull(api.engine, record, settings.weights_dir, ())
    ended = tenant.http.get(path).json()
    assert (ended["state"], ended["error"], ended["finished_at"] is not None) == ("cancelled", None, True)
    assert [one.name for one in settings.weights_dir.iterdir()] == [".tiny.pt.lock"]
    assert tenant.http.delete(path).json() == ended  # the end stays
    assert requested(tenant, record.name)[0] == 202
    run_pull(api.engine, record, settings.weights_dir, ())
    assert tenant.http.get(path).json()["state"] == "completed"
    with transaction(api.engine) as session:
        actions = session.scalars(select(AuditEvent.action).where(AuditEvent.tenant_id == tenant.id)).all()
    assert [action for action in actions if action.startswith("weights")].count("weights.pull_cancelled") == 1


def test_a_pull_that_is_cancelled_before_a_worker_has_it_does_not_begin(
    api: Api, tenant: Tenant, settings: ChangedSettings, record: VariantRecord, file_server: FileServer
) -> None:
    requested(tenant, record.name)
    assert tenant.http.delete(f"/v1/variants/{record.name}/pull").json()["state"] == "cancelled"
    run_pull(api.engine, record, settings.weights_dir, ())
    assert file_server.requests == []


def test_a_worker_ends_when_another_pull_was_requested_since(api: Api, record: VariantRecord) -> None:
    with transaction(api.engine) as session:
        before = request_pull(session, api.queue, record.name)[0].requested_at
        assert cancel_pull(session, record.name)
        assert not cancel_pull(session, record.name)
    with transaction(api.engine) as session:
        request_pull(session, api.queue, record.name)
    with pytest.raises(PullCancelled):
        RecordedProgress(api.engine, record.name, before).begin("tiny.pt", None, 0)


def test_a_worker_that_fails_after_another_request_does_not_end_that_one(
    api: Api, tenant: Tenant, settings: ChangedSettings, record: VariantRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_after_another_request(*_: Any, **__: Any) -> None:
        with transaction(api.engine) as session:
            assert cancel_pull(session, record.name)
        requested(tenant, record.name)
        with transaction(api.engine) as session:
            ours = WeightPull.variant == record.name
            session.execute(update(WeightPull).where(ours).values(state=PullState.RUNNING))
        raise WeightsUnavailable("no reply")

    requested(tenant, record.name)
    monkeypatch.setattr("samfleet.pulls.work.pull", fail_after_another_request)
    run_pull(api.engine, record, settings.weights_dir, ())
    assert tenant.http.get(f"/v1/variants/{record.name}/pull").json()["state"] == "running"


def test_what_the_server_may_not_or_cannot_fetch_is_refused(
    tenant: Tenant, settings: ChangedSettings, record: VariantRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert requested(tenant, "sam_9")[1]["code"] == "variant_not_found"
    add_variants(monkeypatch, "edgy", weights_licence="S-Lab-1.0")
    assert requested(tenant, "edgy")[1]["code"] == "licence_not_accepted"
    settings.set(weights_dir=tmp_path / "nowhere")
    status, refused = requested(tenant, record.name)
    assert (status, refused["code"]) == (409, "pull_not_possible")
    assert f"samfleet variants pull {record.name}" in refused["detail"]
    settings.set(allow_pulls=False)
    assert requested(tenant, record.name)[1]["code"] == "pulls_forbidden"


def test_two_pulls_at_a_time(api: Api, record: VariantRecord) -> None:
    with transaction(api.engine) as session:
        for name in ("one", "two"):
            assert request_pull(session, api.queue, name)[1]
    with transaction(api.engine) as session, pytest.raises(TooManyPulls, match="one, two"):
        request_pull(session, api.queue, record.name)


def test_a_pull_whose_worker_died_is_sent_again(api: Api, settings: ChangedSettings, record: VariantRecord) -> None:
    queue = MemoryTaskQueue()
    with transaction(api.engine) as session:
        request_pull(session, queue, record.name)
        assert resend_pulls(session, queue) == 0
        silent = {"state": PullState.RUNNING, "seen_at": func.now() - SILENT_AFTER - timedelta(seconds=1)}
        session.execute(update(WeightPull).values(silent))
    with transaction(api.engine) as session:
        assert resend_pulls(session, queue) == 1
    assert [task.args for task in queue.sent] == [(record.name,)] * 2
    with transaction(api.engine) as session:
        session.execute(update(WeightPull).values(claims=MOST_CLAIMS))
    run_pull(api.engine, record, settings.weights_dir, ())
    with transaction(api.engine) as session:
        row = session.scalars(select(WeightPull)).one()
        assert (row.state, row.error_code) == (PullState.FAILED, "pull_failed")


def test_a_repeated_task_does_nothing(
    api: Api, settings: ChangedSettings, record: VariantRecord, file_server: FileServer
) -> None:
    with transaction(api.engine) as session:
        request_pull(session, api.queue, record.name)
    for _ in range(2):
        run_pull(api.engine, record, settings.weights_dir, ())
    assert len(file_server.requests) == 1


def test_a_file_without_a_hash_needs_torch(
    api: Api, settings: ChangedSettings, record: VariantRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpublished = replace(record, checkpoint=replace(record.checkpoint, sha256=None))
    monkeypatch.setattr("samfleet.variants.weights.fit._has_torch", lambda: False)
    with transaction(api.engine) as session:
        request_pull(session, api.queue, record.name)
    run_pull(api.engine, unpublished, settings.weights_dir, ())
    with transaction(api.engine) as session:
        assert session.scalars(select(WeightPull)).one().error_code == "weights_unpinned"


def test_workers_tell_which_pool_has_a_variant(api: Api, tenant: Tenant) -> None:
    """Without a weights folder in the API, only the heartbeats know."""
    assert get_variant("mobile_sam")
    servers = [{"address": "t:1", "variants": ["mobile_sam"], "without_weights": {"tinysam": "tinysam.pth is missing"}}]
    beat = WorkerHeartbeat(worker=uuid.uuid4().hex, pool="other", started_at=func.now(), seen_at=func.now())
    beat.triton_ready, beat.detail = True, {"servers": servers}
    with transaction(api.engine) as session:
        session.add(beat)
        name = beat.worker
    shown = {one["name"]: one["weights"] for one in tenant.http.get("/v1/variants").json()["items"]}
    with transaction(api.engine) as session:
        session.execute(delete(WorkerHeartbeat).where(WorkerHeartbeat.worker == name))
    assert shown["mobile_sam"] == [{"pool": "default", "present": None}, {"pool": "other", "present": True}]
    assert shown["tinysam"] == [{"pool": "default", "present": None}, {"pool": "other", "present": False}]


def test_the_clients_pull(api: Api, tenant: Tenant, settings: ChangedSettings, record: VariantRecord) -> None:
    with Client(api.url, tenant.key) as client:
        assert client.pull_variant(record.name)["state"] == "queued"
        assert client.variant_pull(record.name)["variant"] == record.name

    async def cancel() -> list[dict[str, Any]]:
        async with AsyncClient(api.url, tenant.key) as asynchronous:
            calls = asynchronous.variant_pull, asynchronous.cancel_pull
            return [await call(record.name) for call in calls]

    assert [one["state"] for one in asyncio.run(cancel())] == ["queued", "cancelled"]
    options = ["--api-url", api.url, "--api-key", tenant.key]
    shown = CliRunner().invoke(app, ["variants", "cancel-pull", record.name, *options])
    assert (shown.exit_code, shown.stdout) == (0, f"{record.name}: cancelled\n")
