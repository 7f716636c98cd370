"""The confidence interval of `reports.compare`, computed in SQL from order statistics."""

from __future__ import annotations

import math
import uuid
from datetime import UTC, datetime

import numpy as np
from sqlalchemy import text, update
from sqlalchemy.orm import Session

from samfleet.db.models import Hardware, ReportSeries, Rollup, Tenant
from samfleet.reports.compare import compare
from samfleet.reports.query import Dimension, ReportQuery
from samfleet.rollups.sketch import dense
from samfleet.rollups.tally import Tally

IMAGES = 400
HOUR = datetime(2026, 11, 1, tzinfo=UTC)


def covered(batches: int, low: int, high: int) -> float:
    """Return how often the true median lies between the order statistics of these ranks."""
    held: int = sum(math.comb(batches, count) for count in range(low, high))
    return held / (1 << batches)


def test_bounds_contain_the_median_with_the_stated_probability(session: Session) -> None:
    query = text("SELECT batches, low, high FROM generate_series(1, 600) AS batches, reports.median_bounds(batches)")
    found = session.execute(query).all()
    assert [row.batches for row in found if row.low is None or row.high is None] == list(range(1, 9))
    for batches, low, high in found[8:]:
        assert 1 <= low < high <= batches
        assert 0.975 <= covered(batches, low, high) < 0.9999


def measured(session: Session, tenant: Tenant, median_ms: float, seed: int, *, images: int, batch: int) -> uuid.UUID:
    """A machine with so many measured images, in batches whose images take equally long."""
    machine = Hardware(fingerprint_sha256=uuid.uuid4().hex * 2, device_kind="cpu", device_name="A CPU", facts={})
    machine.first_seen_at = HOUR
    session.add(machine)
    session.flush()
    series = ReportSeries(tenant_id=tenant.id, origin_run_id=uuid.uuid4(), origin_job_id=uuid.uuid4(), pool="default")
    series.variant, series.dataset, series.code_version = "mobile_sam", "photographs", "1"
    series.parameters, series.parameters_sha256, series.hardware_id = {}, "0" * 64, machine.id
    session.add(series)
    session.flush()
    tally = Tally()
    times = np.random.default_rng(seed).lognormal(np.log(median_ms), 0.5, -(-images // batch))
    for ms in np.repeat(times, batch)[:images]:
        tally.add_time(float(ms))
    first, counts = dense(tally.counts)
    rollup = Rollup(series_id=series.id, stage="image", hour=HOUR, batch_class=batch, warmup=False, n=tally.n)
    rollup.sum_ms, rollup.first_bucket, rollup.counts = tally.sum_ms, first, counts
    session.add(rollup)
    session.flush()
    return machine.id


def test_the_interval_is_not_narrower_than_the_bootstrap(session: Session) -> None:
    for number, (images, batch) in enumerate([(IMAGES, 1), (IMAGES, 8), (90, 8), (12, 2), (6, 1)]):
        tenant = Tenant(name=f"compared {number}")
        session.add(tenant)
        session.flush()
        a = measured(session, tenant, 10.0, 2 * number, images=images, batch=batch)
        b = measured(session, tenant, 25.0, 2 * number + 1, images=IMAGES, batch=1)
        (asked,) = compare(session, ReportQuery(tenant.id, (Dimension.HARDWARE,)), "hardware", a, b).rows
        query = text("SELECT * FROM reports.compare WHERE tenant_id = :tenant AND hardware_id_a = :a")
        row = session.execute(query, {"tenant": tenant.id, "a": a}).mappings().one()
        assert (row["n_a"], row["n_b"]) == (asked["n_a"], asked["n_b"])
        if images // batch < 9:
            assert (row["ratio_low"], row["ratio_high"], row["verdict"]) == (None, None, "cannot tell")
            continue
        assert row["ratio"] == (row["p50_a_ms"] / row["p50_b_ms"])
        assert row["ratio_low"] <= asked["ratio_low"] < row["ratio"] < asked["ratio_high"] <= row["ratio_high"]
        assert (row["verdict"] == "a is faster") == (row["ratio_high"] < 1)


def move(session: Session, source: uuid.UUID, machine: uuid.UUID, dataset: str) -> None:
    """Make the measurement on `source` one on another machine and dataset."""
    series = update(ReportSeries).where(ReportSeries.hardware_id == source)
    session.execute(series.values(hardware_id=machine, dataset=dataset))


def test_of_many_equal_pairs_none_is_called_different_by_chance(session: Session) -> None:
    tenant = Tenant(name="compared")
    session.add(tenant)
    session.flush()
    a, b = (measured(session, tenant, 10.0, seed, images=60, batch=1) for seed in (0, 1))
    pairs = 40
    for number in range(pairs):
        for side, machine in enumerate((a, b)):
            times = measured(session, tenant, 10.0, 100 + 2 * number + side, images=60, batch=1)
            move(session, times, machine, f"set {number}")
    for median, seed, machine in ((10.0, 8, a), (25.0, 7, b)):
        move(session, measured(session, tenant, median, seed, images=60, batch=1), machine, "real")
    rows = compare(session, ReportQuery(tenant.id, (Dimension.HARDWARE,)), "hardware", a, b).rows
    assert len(rows) == pairs + 2
    assert sum(not row["ratio_low"] <= 1 <= row["ratio_high"] for row in rows) > 1  # alone, some would differ
    assert [(row["dataset"], row["verdict"]) for row in rows if row["verdict"] != "cannot tell"] == [
        ("real", "a is faster")
    ]
    assert all(row["p_value"] <= row["p_corrected"] <= 1 for row in rows)


def test_both_directions_agree(session: Session) -> None:
    tenant = Tenant(name="compared")
    session.add(tenant)
    session.flush()
    a = measured(session, tenant, 10.0, 1, images=IMAGES, batch=4)
    measured(session, tenant, 25.0, 2, images=IMAGES, batch=1)
    query = text("SELECT * FROM reports.compare WHERE tenant_id = :tenant ORDER BY hardware_id_a = :a DESC")
    there, back = session.execute(query, {"tenant": tenant.id, "a": a}).mappings()
    assert (there["verdict"], back["verdict"]) == ("a is faster", "b is faster")
    assert math.isclose(there["ratio_low"], 1 / back["ratio_high"], rel_tol=1e-12)
    assert math.isclose(there["ratio_high"], 1 / back["ratio_low"], rel_tol=1e-12)
