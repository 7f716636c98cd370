from __future__ import annotations

from datetime import timedelta

import httpx
import pytest
from sqlalchemy import Engine, update

from fixtures.worker.job_rows import shards_of, start_job
from fixtures.worker.metric_changes import sampled
from fixtures.worker.worker_services import make_services, raise_for, upload
from samfleet.db.models import Job, Shard
from samfleet.db.session import transaction
from samfleet.jobs.cancel import cancel_job
from samfleet.jobs.queue import TaskName
from samfleet.wire.messages import SegmentRequest
from samfleet_worker.factory import create_app
from samfleet_worker.metrics_server import MetricsPortTaken, MetricsServer
from samfleet_worker.pipeline import segment_shard
from samfleet_worker.triton.errors import InferenceRejected, TritonUnavailable, VariantLoadFailed
from samfleet_worker.triton.memory_segmenter import MemorySegmenter

OURS = {"variant": "mobile_sam", "pool": "default"}


def test_recorded_images_are_counted_once(engine: Engine) -> None:
    services = make_services(engine, MemorySegmenter(before=raise_for(2, InferenceRejected("wrong shape"))))
    run = start_job(engine, services.queue, 4, uris=upload(services, 4))
    shards = shards_of(engine, run)
    with sampled() as change:
        for shard in (*shards, *shards):  # the messages arrive twice
            segment_shard(services, shard.id)
    assert change("samfleet_images_total", **OURS, outcome="succeeded") == 3
    assert change("samfleet_images_total", **OURS, outcome="failed") == 1
    assert change("samfleet_image_failures_total", code="inference_rejected") == 1
    assert change("samfleet_masks_total", **OURS) == 3
    assert change("samfleet_shard_duration_seconds_count", **OURS, outcome="recorded") == len(shards)
    assert change("samfleet_image_stage_seconds_count", **OURS, stage="encode") == 3
    assert change("samfleet_image_stage_seconds_sum", **OURS, stage="encode") == pytest.approx(0.003)
    assert change("samfleet_image_stage_seconds_count", **OURS, stage="store") == 3
    assert change("samfleet_shards_in_progress", **OURS) == 0


def test_the_first_images_of_a_run_are_observed_once(engine: Engine) -> None:
    services = make_services(engine, MemorySegmenter())
    run = start_job(engine, services.queue, 12, uris=upload(services, 12))
    waited = timedelta(seconds=100)
    with transaction(engine) as session:
        session.execute(update(Job).where(Job.id == run.job_id).values(created_at=Job.created_at - waited))
    shards = shards_of(engine, run)
    assert len(shards) > 1
    with sampled() as change:
        for shard in shards:
            segment_shard(services, shard.id)
    assert change("samfleet_first_images_seconds_count", pool="default") == 1
    assert change("samfleet_first_images_seconds_bucket", pool="default", le="60.0") == 0
    assert change("samfleet_first_images_seconds_bucket", pool="default", le="300.0") == 1


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (TritonUnavailable("away"), "released"),
        (VariantLoadFailed("no weights"), "run_failed"),
        (RuntimeError("a mistake"), "released"),
    ],
)
def test_a_shard_not_recorded_counts_no_image(engine: Engine, error: Exception, outcome: str) -> None:
    services = make_services(engine, MemorySegmenter(before=raise_for(0, error)))
    run = start_job(engine, services.queue, 2, uris=upload(services, 2))
    with sampled() as change:
        segment_shard(services, shards_of(engine, run)[0].id)
    assert change("samfleet_shard_duration_seconds_count", **OURS, outcome=outcome) == 1
    assert change("samfleet_images_total", **OURS, outcome="succeeded") == 0
    assert change("samfleet_shards_in_progress", **OURS) == 0


def test_a_lost_lease_is_counted(engine: Engine) -> None:
    segmenter = MemorySegmenter()
    services = make_services(engine, segmenter)
    run = start_job(engine, services.queue, 1, uris=upload(services, 1))

    def cancelled_meanwhile(_request: SegmentRequest) -> None:
        with transaction(engine) as session:
            cancel_job(session, session.get_one(Job, run.job_id).tenant_id, run.job_id)

    segmenter.before = cancelled_meanwhile
    with sampled() as change:
        segment_shard(services, shards_of(engine, run)[0].id)
    assert change("samfleet_leases_lost_total", pool="default") == 1
    assert change("samfleet_shard_duration_seconds_count", **OURS, outcome="lost") == 1


def test_actions_of_sweeps_and_outcomes_of_tasks_are_counted(engine: Engine) -> None:
    # a lease shorter than the uptime of the database: none expires before
    services = make_services(engine, MemorySegmenter(), lease=timedelta(seconds=1))
    run = start_job(engine, services.queue, 1, uris=upload(services, 1))
    with transaction(engine) as session:
        long_ago = "2020-01-01T00:00:00Z"
        leased = {"state": "leased", "worker": "gone", "lease_expires_at": long_ago}
        session.execute(update(Shard).where(Shard.run_id == run.id).values(**leased))
    app = create_app(services.settings, lambda _: services)
    with sampled() as change:
        app.tasks[TaskName.SWEEP].apply(throw=True)
        app.tasks[TaskName.PLAN].apply(args=("not an id",), throw=True)
    assert change("samfleet_sweeper_actions_total", action="leases_expired") == 1
    assert change("samfleet_sweeper_actions_total", action="shards_dispatched") == 1
    assert change("samfleet_task_duration_seconds_count", task="jobs.sweep", outcome="done") == 1
    assert change("samfleet_task_duration_seconds_count", task="jobs.plan", outcome="crashed") == 1


def test_a_worker_serves_metrics_on_its_own_port(engine: Engine) -> None:
    server = MetricsServer(engine, "127.0.0.1", 0)
    try:
        shown = httpx.get(server.url).text
        with pytest.raises(MetricsPortTaken, match="SAMFLEET_METRICS_PORT"):
            MetricsServer(engine, "127.0.0.1", int(server.url.rpartition(":")[2].removesuffix("/metrics")))
    finally:
        server.close()
    assert "samfleet_triton_requests_in_progress 0.0" in shown
    assert 'samfleet_database_connections{state="in_use"}' in shown
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url)
