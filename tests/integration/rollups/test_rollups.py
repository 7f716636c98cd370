from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, delete, func, select, update

from fixtures.worker.job_rows import HARDWARE, claim_one, finished, record_one, results_of, start_job, start_runs
from samfleet.db.models import ImageResult, Job, Outcome, ReportSeries, Rollup, Run, Shard
from samfleet.db.session import read_only, transaction
from samfleet.jobs.outcomes import ImageError
from samfleet.jobs.queue import MemoryTaskQueue
from samfleet.jobs.record import record
from samfleet.rollups.rebuild import rebuild_run
from samfleet.storage.memory_store import MemoryStore
from samfleet.wire.messages import StageTime

STAGES = ["decode", "encode", "fetch", "image", "model", "postprocess", "preprocess", "queue", "store"]


def times(encode: float) -> dict[str, StageTime]:
    return {"encode": StageTime(encode, 2 * encode), "decode": StageTime(3.0, 6.0)}


def rollups_of(engine: Engine, run: Run) -> list[dict[str, Any]]:
    """Return all rollups of a run, without the ids of series."""
    with read_only(engine) as session:
        rows = session.execute(
            select(ReportSeries, Rollup)
            .join(Rollup)
            .where(ReportSeries.run_id == run.id)
            .order_by(ReportSeries.hardware_id, ReportSeries.parameters_sha256, Rollup.stage, Rollup.batch_class)
            .order_by(Rollup.warmup, Rollup.hour)
        ).all()
        return [
            {name: value for name, value in (vars(series) | vars(row)).items() if name not in {"id", "series_id"}}
            | {"_sa_instance_state": None, "sum_ms": round(row.sum_ms, 6), "iou_sum": round(row.iou_sum, 6)}
            | {"energy_j": round(row.energy_j, 6), "load_sum": round(row.load_sum, 6)}
            for series, row in rows
        ]


def test_a_shard_is_counted_in_the_transaction_that_records_it(engine: Engine) -> None:
    queue, store = MemoryTaskQueue(), MemoryStore()
    run = start_job(engine, queue, 8)
    claimed = claim_one(engine, run)
    record_one(engine, queue, store, claimed, failed=1, stages=times(5.0))
    rows = {row["stage"]: row for row in rollups_of(engine, run) if row["batch_class"] == 2}
    assert sorted(rows) == [stage for stage in STAGES if not stage.endswith("process")]
    assert (rows["encode"]["n"], rows["encode"]["sum_ms"], sum(rows["encode"]["counts"])) == (3, 15.0, 3)
    assert rows["image"]["sum_ms"] == pytest.approx(3 * (0.5 + 5 + 3 + 0.25))
    assert (rows["model"]["n"], rows["model"]["sum_ms"]) == (3, pytest.approx(3 * (5 + 3)))
    assert rows["image"]["started_at"] <= rows["image"]["ended_at"]
    assert rows["encode"]["started_at"] is None
    unreached = {row["stage"]: row for row in rollups_of(engine, run) if row["batch_class"] == 0}
    assert {stage: (row["n"], row["failures"]) for stage, row in unreached.items()} == {
        "image": (0, 1),
        "fetch": (0, 1),
    }
    assert (rows["image"]["energy_j"], rows["image"]["energy_images"]) == (0, 0)
    assert unreached["image"]["hardware_id"] == rows["image"]["hardware_id"] is not None


def test_shards_of_the_same_hour_share_one_rollup(engine: Engine) -> None:
    queue, store = MemoryTaskQueue(), MemoryStore()
    run = start_job(engine, queue, 12)
    for encode in (2.0, 4.0, 800.0):
        record_one(engine, queue, store, claim_one(engine, run), stages=times(encode))
    encodes = [row for row in rollups_of(engine, run) if row["stage"] == "encode"]
    assert sum(row["n"] for row in encodes) == 12
    assert sum(row["sum_ms"] for row in encodes) == pytest.approx(4 * 806.0)
    assert len(encodes) <= 2  # the hour may have changed in between


def test_a_rebuild_gives_the_same_rollups(engine: Engine) -> None:
    queue, store = MemoryTaskQueue(), MemoryStore()
    run = start_job(engine, queue, 40)
    for number, encode in enumerate(np.random.default_rng(1).lognormal(2, 1, 9)):
        reported: dict[str, Any] = {
            "batch_size": (1, 3, 8, 5000)[number % 4],
            "warmup": number == 0,
            "energy_j": None if number % 3 == 0 else 1.5 * number,
            "other_load": None if number % 4 == 0 else number / 16,
            "peak_memory_bytes": 0 if number % 5 == 0 else 1000 * number,
            "peak_reserved_bytes": None if number % 2 else 5000 * number,
            "hardware": HARDWARE if number % 2 else {**HARDWARE, "threads": 8},
        }
        claimed = claim_one(engine, run)
        record_one(engine, queue, store, claimed, failed=number % 3, stages=times(float(encode)), **reported)
    record_one(engine, queue, store, claim_one(engine, run), failed=4)
    recorded = rollups_of(engine, run)
    assert len({row["hardware_id"] for row in recorded}) == 3
    assert max(row["peak_memory_bytes"] or 0 for row in recorded) == 40_000
    assert all((row["peak_memory_bytes"] is None) == (row["memory_images"] == 0) for row in recorded)
    with transaction(engine) as session:
        assert rebuild_run(session, run.id) == len(recorded)
    assert rollups_of(engine, run) == recorded


def test_a_clock_set_back_gives_no_negative_time(engine: Engine) -> None:
    """The claim of a shard may then be later than its record."""
    queue, store = MemoryTaskQueue(), MemoryStore()
    run = start_job(engine, queue, 4)
    claimed = claim_one(engine, run)
    with transaction(engine) as session:
        later = func.now() + timedelta(hours=1)
        session.execute(update(Shard).where(Shard.id == claimed.shard_id).values(claimed_at=later))
    record_one(engine, queue, store, claimed)
    recorded = rollups_of(engine, run)
    (image,) = [row for row in recorded if row["stage"] == "image"]
    assert image["started_at"] == image["ended_at"]
    with transaction(engine) as session:
        rebuild_run(session, run.id)
    assert rollups_of(engine, run) == recorded


def test_energy_is_summed_over_all_images_and_counted_for_successful_ones(engine: Engine) -> None:
    queue, store = MemoryTaskQueue(), MemoryStore()
    run = start_job(engine, queue, 8)
    claimed = claim_one(engine, run)
    outcomes = finished(claimed, energy_j=2.5)
    outcomes[0] = replace(outcomes[0], masks=(), error=ImageError("image_too_large", "too large", "decode"))
    with transaction(engine) as session:
        record(session, queue, claimed, outcomes, part_key="p", part_bytes=1, store_ms=1.0, shards_in_flight=1)
    record_one(engine, queue, store, claim_one(engine, run))  # a device without an energy counter
    recorded = rollups_of(engine, run)
    energy = {row["stage"]: (row["energy_j"], row["energy_images"]) for row in recorded}
    assert energy.pop("image") == (10.0, 3)
    assert set(energy.values()) == {(0, 0)}
    assert [result.energy_j for result in results_of(engine, run)] == [2.5] * 4 + [None] * 4
    with transaction(engine) as session:
        rebuild_run(session, run.id)
    assert rollups_of(engine, run) == recorded


def test_replaced_results_are_counted_once_after_a_rebuild(engine: Engine) -> None:
    queue, store = MemoryTaskQueue(), MemoryStore()
    run = start_job(engine, queue, 4)
    record_one(engine, queue, store, claim_one(engine, run), failed=2)
    with transaction(engine) as session:
        session.execute(delete(ImageResult).where(ImageResult.run_id == run.id, ImageResult.outcome == Outcome.FAILED))
        rebuild_run(session, run.id)
    assert [row["failures"] for row in rollups_of(engine, run)] == [0] * len(STAGES)
    assert sum(row["n"] for row in rollups_of(engine, run) if row["stage"] == "image") == 2


def test_a_rolled_back_record_counts_nothing(engine: Engine) -> None:
    queue = MemoryTaskQueue()
    run = start_job(engine, queue, 4)
    claimed = claim_one(engine, run)
    with pytest.raises(ZeroDivisionError), transaction(engine) as session:
        record(session, queue, claimed, finished(claimed), part_key="p", part_bytes=1, store_ms=1.0, shards_in_flight=1)
        _ = 1 / 0
    assert not rollups_of(engine, run)
    assert not results_of(engine, run)


def test_deleting_a_job_deletes_its_rollups(engine: Engine) -> None:
    queue, store = MemoryTaskQueue(), MemoryStore()
    run, other = start_runs(engine, queue, 4)[0], start_runs(engine, queue, 5)[0]
    for each in (run, other):
        record_one(engine, queue, store, claim_one(engine, each))
    with transaction(engine) as session:
        session.execute(delete(Job).where(Job.id == run.job_id))
    assert rollups_of(engine, run) == []
    assert rollups_of(engine, other)


def test_a_deleted_run_has_no_rollups(engine: Engine) -> None:
    with transaction(engine) as session:
        assert rebuild_run(session, Run(id=None).id) == 0
