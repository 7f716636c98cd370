"""One simulation from an empty database to its figures."""

from __future__ import annotations

import argparse
import random
import time
from typing import Any

from sqlalchemy import Engine, text

from benchmarks.fleet.broker import SimulatedBroker
from benchmarks.fleet.checks import check_images
from benchmarks.fleet.clock import SimulatedClock, install
from benchmarks.fleet.faults import schedule_faults
from benchmarks.fleet.meters import Meters
from benchmarks.fleet.rows import write_tenants
from benchmarks.fleet.service import Service
from benchmarks.fleet.simulation import Simulation
from benchmarks.fleet.workload import Workload, draw_workload
from samfleet.config import Settings
from samfleet.db.session import connect, transaction
from samfleet.storage.memory_store import MemoryStore

CHECKS_PER_SECOND = 2  # of a held shard, by samfleet_worker.renewal
TABLES = ("jobs", "runs", "shards", "job_events", "job_log", "tenant_turns", "job_turns")


def simulate(url: str, options: argparse.Namespace) -> dict[str, Any]:
    """Run the simulation in a migrated database without rows, and return its figures."""
    workload = draw_workload(
        options.seed,
        pools=options.pools,
        tenants=options.tenants,
        images=options.images,
        seconds_per_image=options.seconds_per_image,
        workers=options.workers,
        slots=options.slots,
        jobs_per_pool=options.jobs_per_pool,
        variants=options.variants,
        measured_first=options.measured_first,
    )
    clock, meters, engine = SimulatedClock(), Meters(), connect(url, pool_size=1)
    install(engine)
    meters.watch(engine)
    clock.drive(engine)
    write_tenants(engine, workload.tenants)
    simulation = Simulation(_service(engine, meters), clock, workload, random.Random(options.seed))  # noqa: S311
    schedule_faults(simulation, options.pools * options.workers, options.faults)
    python, database, start = time.process_time(), meters.backends.seconds(), time.perf_counter()
    simulation.run()
    spent = {
        "wall": time.perf_counter() - start,
        "python": time.process_time() - python,
        "database": meters.backends.seconds() - database,
    }
    result = _result(simulation, workload, spent)
    engine.dispose()
    return result


def _service(engine: Engine, meters: Meters) -> Service:
    """Return the service with the settings' defaults."""
    settings = Settings()
    return Service(
        engine,
        SimulatedBroker(lambda *_: None),
        meters,
        MemoryStore(),
        lease=settings.lease,
        shard_size=settings.shard_size,
        shard_time=settings.shard_time,
        shards_in_flight=settings.shards_in_flight,
        max_shard_attempts=settings.max_shard_attempts,
    )


def _result(simulation: Simulation, workload: Workload, spent: dict[str, float]) -> dict[str, Any]:
    meters, journal = simulation.service.meters, simulation.journal
    images, records = sum(job.images for job in workload.jobs), sum(journal.records.values())
    statements = meters.statements.total() - meters.statements["other"]
    checks = round(CHECKS_PER_SECOND * journal.held_seconds) - len(meters.times["check"])
    shares = [pool.utilisation for pool in simulation.pools.values() if pool.utilisation is not None]
    return {
        "shard_size": simulation.service.shard_size,
        "shard_seconds": simulation.service.shard_time.total_seconds(),
        "images": images,
        "jobs": len(workload.jobs),
        "shards": records,
        "images_per_shard": round(images / records, 1),
        "simulated_seconds": round(simulation.events.now),
        "least_seconds": round(workload.least_seconds),
        "seconds": {name: round(value, 1) for name, value in spent.items()},
        "correct": check_images(simulation.service.engine, journal.records),
        "events": dict(sorted(journal.events.items())),
        "fairness": simulation.fairness.summary(),
        "utilisation": _spread(shares),
        "waits": journal.summary(),
        "statements": {
            "per_shard": round(statements / records, 1),
            "per_image": round(statements / images, 4),
            "checks_not_simulated_per_shard": round(checks / records, 1),
            "database_ms_per_shard": round(1e3 * spent["database"] / records, 2),
            "python_ms_per_shard": round(1e3 * spent["python"] / records, 2),
        },
        "steps": meters.summary(),
        "tables": _tables(simulation.service.engine),
    }


def _spread(shares: list[float]) -> dict[str, float]:
    return {
        "least": round(min(shares), 4),
        "mean": round(sum(shares) / len(shares), 4),
        "greatest": round(max(shares), 4),
    }


def _tables(engine: Engine) -> dict[str, dict[str, int]]:
    with transaction(engine) as session:
        return {
            table: {
                "rows": session.scalar(text(f"SELECT count(*) FROM {table}")) or 0,  # noqa: S608 - names of this module
                "bytes": session.scalar(text(f"SELECT pg_total_relation_size('{table}')")) or 0,
            }
            for table in TABLES
        }
