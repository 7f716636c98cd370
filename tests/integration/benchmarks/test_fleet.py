"""The simulated fleet on a tiny workload: no image is lost or doubled through faults, and a seed repeats a run."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select, text, update

from benchmarks.fleet.__main__ import parser
from benchmarks.fleet.checks import check_images
from benchmarks.fleet.clock import EPOCH, SimulatedClock, install
from benchmarks.fleet.measure import simulate
from benchmarks.fleet.table import table
from benchmarks.fleet.workload import Size, draw_workload
from fixtures.worker.job_rows import start_job
from samfleet.db.clock import now
from samfleet.db.models import Run, Shard, ShardState
from samfleet.db.session import connect, transaction
from samfleet.jobs.queue import MemoryTaskQueue

SIZES = {"--pools": "1", "--workers": "2", "--slots": "2", "--tenants": "3", "--images": "300"}
TINY = {**SIZES, "--seconds-per-image": "0.8", "--faults": "150", "--seed": "5"}
CORRECT = {
    "images_lost": 0,
    "images_doubled": 0,
    "runs_miscounted": 0,
    "runs_unfinished": 0,
    "shards_not_recorded_once": 0,
}


@pytest.fixture
def simulated(database_url: str) -> dict[str, Any]:
    return simulate(database_url, parser().parse_args([word for option in TINY.items() for word in option]))


def test_no_image_is_lost_or_doubled(simulated: dict[str, Any]) -> None:
    assert simulated["images"] == 300
    assert simulated["correct"] == CORRECT
    events = simulated["events"]
    assert all(events.get(kind, 0) > 0 for kind in ("worker_dies", "spot_notice", "worker_hangs", "pool_leaves"))
    assert events["sweep_leases_expired"] > 0
    assert events["records_refused"] > 0  # workers that hung recorded after another worker
    assert simulated["steps"]["claim"]["by_open_images"][-1]["open_images"] > 0
    assert simulated["simulated_seconds"] > simulated["least_seconds"]
    assert "images_lost 0" in table({"simulation": simulated})


def test_a_lost_image_is_noticed(engine: Engine) -> None:
    run = start_job(engine, MemoryTaskQueue(), 12)
    with transaction(engine) as session:
        session.execute(text("SET session_replication_role = replica"))  # without the triggers of transitions
        values = {"state": ShardState.DONE, "part_key": "p", "lease_expires_at": None}
        session.execute(update(Shard).where(Shard.run_id == run.id).values(values))
        session.execute(update(Run).values(succeeded=12, state="completed"))
        shards = list(session.scalars(select(Shard).where(Shard.run_id == run.id).order_by(Shard.index)))
    records = {(run.id, shard.index): 1 for shard in shards}
    assert check_images(engine, records) == CORRECT
    images = shards[1].last_position - shards[1].first_position + 1
    with transaction(engine) as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(update(Shard).where(Shard.id == shards[1].id).values(state=ShardState.PENDING))
    assert check_images(engine, records)["images_lost"] == images
    with transaction(engine) as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        widened = {"state": ShardState.DONE, "first_position": shards[1].first_position - 1}
        session.execute(update(Shard).where(Shard.id == shards[1].id).values(widened))
    found = check_images(engine, {**records, (run.id, 0): 2})
    assert (found["images_doubled"], found["images_lost"], found["shards_not_recorded_once"]) == (1, 0, 1)


def test_the_clock_moves_only_when_it_is_moved(database_url: str) -> None:
    engine, clock = connect(database_url), SimulatedClock()
    install(engine)
    clock.drive(engine)
    with transaction(engine) as session:
        assert now(session) == EPOCH
    clock.seconds += 90
    with transaction(engine) as session:
        assert now(session) == EPOCH + timedelta(seconds=90)
    engine.dispose()


def test_a_seed_draws_the_same_workload_and_another_seed_another() -> None:
    sizes: dict[str, Any] = {"pools": 3, "tenants": 6, "images": 1000, "seconds_per_image": (0.1, 1.0)}
    first = draw_workload(1, **sizes, workers=1, slots=2)
    assert first == draw_workload(1, **sizes, workers=1, slots=2)
    assert first != draw_workload(2, **sizes, workers=1, slots=2)
    assert sum(job.images for job in first.jobs) == 1000


def test_a_workload_of_few_large_jobs_measures_each_variant_first() -> None:
    found = draw_workload(
        1,
        pools=3,
        tenants=6,
        images=1000,
        seconds_per_image=(0.1,),
        workers=1,
        slots=2,
        jobs_per_pool=(0, 1, 2),
        variants=2,
        measured_first=True,
    )
    first, rest = found.jobs[:6], found.jobs[6:]
    pools = {pool.name for pool in found.pools}
    assert {(job.pool, job.variant) for job in first} == {(p, v) for p in pools for v in ("mobile_sam", "tinysam")}
    assert {job.images for job in first} == {4}
    assert max(job.at for job in first) < min(job.at for job in rest)
    assert Counter(job.tenant.size for job in rest) == {Size.MEDIUM: 3, Size.LARGE: 6}
    assert sum(job.images for job in found.jobs) == 1000
