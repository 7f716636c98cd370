"""Time of the steps that look for work, with more and more shards and running runs."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine, select, text

from benchmarks.fleet.broker import SimulatedBroker
from benchmarks.fleet.database import TemporaryServer
from benchmarks.fleet.meters import Meters, times
from samfleet.db.models import Job, Run, Shard, ShardState
from samfleet.db.session import connect, transaction
from samfleet.jobs.claim import claim, must_run_alone
from samfleet.jobs.dispatch import dispatch_run
from samfleet.jobs.queue import pool_queue
from samfleet.jobs.record import record
from samfleet.jobs.sweep import SweepLimits, sweep
from samfleet.jobs.variant_turns import fairest_shard
from samfleet.storage.memory_store import MemoryStore

POOLS = 1000
TENANTS = 60
IMAGES_PER_SHARD = 256
IN_FLIGHT = 4
LEASE = timedelta(hours=1)
WARM_UP = 20
REPEATS = 100
SWEEPS = 5
# The largest run has half of all shards; the others share the rest.
ROWS = (
    """INSERT INTO tenants (id, name, weight)
       SELECT gen_random_uuid(), 'tenant-' || n, 1 FROM generate_series(1, :tenants) n""",
    """INSERT INTO datasets (id, tenant_id, name, source, state, image_count)
       SELECT gen_random_uuid(), id, 'made up', 'upload', 'sealed', 1 FROM tenants""",
    """INSERT INTO jobs (id, tenant_id, dataset_id, task, state, image_count, max_failure_rate, request_sha256, name)
       SELECT gen_random_uuid(), d.tenant_id, d.id, '{}', 'running', 1, 1, '0', n::text
       FROM generate_series(0, :runs - 1) n
       JOIN (SELECT *, row_number() OVER () - 1 AS place FROM datasets) d ON d.place = n % :tenants""",
    """INSERT INTO runs (id, job_id, variant, pool, task, state, total, succeeded, failed, masks)
       SELECT gen_random_uuid(), id, 'mobile_sam', 'pool-' || name::int % :pools, '{}', 'running', 2000000000, 0, 0, 0
       FROM jobs""",
    """INSERT INTO shards (run_id, index, first_position, last_position, state, queued_at, sent_at,
                           token, attempts, progress)
       SELECT r.id, i, i * :images, (i + 1) * :images - 1, CASE WHEN i < :in_flight THEN 'queued' ELSE 'pending' END,
              CASE WHEN i < :in_flight THEN now() END, CASE WHEN i < :in_flight THEN now() END, 0, 0, 0
       FROM (SELECT r.id, CASE WHEN j.name = '0' THEN :shards / 2 ELSE :shards / 2 / :runs END AS shards
             FROM runs r JOIN jobs j ON j.id = r.job_id) r,
       LATERAL generate_series(0, greatest(r.shards, 2 * :in_flight) - 1) i""",
)


def measure_growth(server: TemporaryServer, shards: Sequence[int], runs: Sequence[int]) -> list[dict[str, Any]]:
    """Return the times with each number of shards and the least number of runs, then with each number of runs."""
    cases = [(count, runs[0]) for count in shards] + [(shards[0] if shards else 10_000, count) for count in runs[1:]]
    return [_measure(server.new_database(f"growth_{place}"), *case) for place, case in enumerate(cases)]


def _measure(url: str, shards: int, runs: int) -> dict[str, Any]:
    engine, broker, meters = connect(url, pool_size=1), SimulatedBroker(lambda *_: None), Meters()
    meters.watch(engine)
    start = time.perf_counter()
    _write(engine, shards, runs)
    written = time.perf_counter() - start
    with transaction(engine) as session:
        largest = session.scalars(select(Run.id).join(Job).where(Job.name == "0")).one()
        rows = session.scalar(text("SELECT count(*) FROM shards")) or 0
        size = session.scalar(text("SELECT pg_total_relation_size('shards')")) or 0
        queued = select(Run.pool, Shard.id).join(Shard).where(Shard.state == ShardState.QUEUED)
        for pool, shard_id in session.execute(queued):
            broker.keep(pool_queue(pool), shard_id)
    for _ in range(SWEEPS):
        with meters.step("sweep"):
            sweep(engine, broker, MemoryStore(), SweepLimits(IN_FLIGHT, 25))
    for place in range(WARM_UP + REPEATS):
        if place == WARM_UP:
            for step in ("find", "claim", "record", "dispatch"):
                meters.times[step].clear()
        _cycle(engine, broker, meters, largest)
    engine.dispose()
    steps = {step: times(taken) for step, taken in meters.times.items()}
    sizes = {"shards": rows, "running_runs": runs, "written_s": round(written, 1), "bytes_per_shard": size // rows}
    return {**sizes, "steps": steps}


def _write(engine: Engine, shards: int, runs: int) -> None:
    """Write running runs whose shards in flight are queued, and collect statistics as autovacuum does."""
    sizes: dict[str, int] = {"tenants": TENANTS, "runs": runs, "pools": POOLS, "shards": shards}
    sizes |= {"images": IMAGES_PER_SHARD, "in_flight": IN_FLIGHT}
    with transaction(engine) as session:
        for statement in ROWS:
            session.execute(text(statement), sizes)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))


def _cycle(engine: Engine, broker: SimulatedBroker, meters: Meters, run_id: uuid.UUID) -> None:
    """Take a shard of the run from its message to its record, and dispatch once more without room."""
    queued = select(Shard.id).where(Shard.run_id == run_id, Shard.state == ShardState.QUEUED).limit(1)
    with meters.transaction(engine, "other") as session:
        message = session.scalars(queued).one()
    with meters.transaction(engine, "find") as session:
        must_run_alone(session, fairest_shard(session, message))
    with meters.transaction(engine, "claim") as session:
        claimed = claim(session, fairest_shard(session, message, with_suspects=False), "worker", LEASE)
    if claimed is None:
        raise RuntimeError("a queued shard could not be claimed")
    stored: dict[str, Any] = {"part_key": "p", "part_bytes": 1, "store_ms": 0.0}
    with meters.transaction(engine, "record") as session:
        record(session, broker, claimed, (), **stored, shards_in_flight=IN_FLIGHT)
    with meters.transaction(engine, "dispatch") as session:
        dispatch_run(session, broker, claimed.run_id, IN_FLIGHT)
