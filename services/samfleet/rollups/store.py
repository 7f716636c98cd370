"""Storage of rollups. The writer holds the lock of the run, so nobody else writes the same rollups meanwhile."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from samfleet.db.models import Dataset, Job, ReportSeries, Rollup, Run, Shard
from samfleet.rollups.dataset_labels import dataset_label
from samfleet.rollups.sketch import dense
from samfleet.rollups.tally import Cell, Tally, tally

UNKNOWN_VERSION = "unknown"


def digest(parameters: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(parameters, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def add_shard(session: Session, job: Job, run: Run, shard_id: int, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add a shard's rows to the rollups, in the transaction that writes the rows."""
    now, claimed = session.execute(select(func.now(), Shard.claimed_at).where(Shard.id == shard_id)).one()
    merge(session, job, run, tally(rows, min(claimed or now, now), now))


def merge(session: Session, job: Job, run: Run, tallies: Mapping[Cell, Tally]) -> None:
    """Add tallies to the stored rollups of the locked run."""
    machines = {(cell.hardware_id, cell.checkpoint_sha256) for cell in tallies}
    series = {machine: _series(session, job, run, *machine) for machine in sorted(machines, key=str)}
    keyed = {(series[cell[:2]], *cell[2:]): added for cell, added in tallies.items()}
    known = _known(session, set(series.values()), {cell.hour for cell in tallies})
    for key, added in keyed.items():
        if stored := known.get(key):
            added.merge(_tally_of(stored))
    write(session, keyed)


def write(session: Session, tallies: Mapping[tuple[int, str, datetime, int, bool], Tally]) -> None:
    """Store tallies, replacing those under the same keys."""
    values = [_values(key, entry) for key, entry in tallies.items()]
    if not values:
        return
    statement = insert(Rollup)
    names = [column.name for column in Rollup.__table__.columns if not column.primary_key and not column.computed]
    replaced = {name: statement.excluded[name] for name in names}
    session.execute(
        statement.on_conflict_do_update(constraint=Rollup.__table__.primary_key, set_=replaced),  # type: ignore[arg-type]
        values,
    )


def _values(key: tuple[int, str, datetime, int, bool], entry: Tally) -> dict[str, Any]:
    first, counts = dense(entry.counts)
    return {
        **dict(zip(("series_id", "stage", "hour", "batch_class", "warmup"), key, strict=True)),
        "n": entry.n,
        "failures": entry.failures,
        "sum_ms": entry.sum_ms,
        "first_bucket": first,
        "counts": counts,
        "started_at": entry.started_at,
        "ended_at": entry.ended_at,
        "instances": entry.instances,
        "iou_sum": entry.iou_sum,
        "energy_j": entry.energy_j,
        "energy_images": entry.energy_images,
        "load_sum": entry.load_sum,
        "load_images": entry.load_images,
        "peak_memory_bytes": entry.peak_memory_bytes,
        "memory_images": entry.memory_images,
    }


def _known(
    session: Session, series: Iterable[int], hours: Iterable[datetime]
) -> dict[tuple[int, str, datetime, int, bool], Rollup]:
    query = select(Rollup).where(Rollup.series_id.in_(list(series)), Rollup.hour.in_(list(hours)))
    rows = session.scalars(query, execution_options={"populate_existing": True})
    return {(row.series_id, row.stage, row.hour, row.batch_class, row.warmup): row for row in rows}


def _tally_of(row: Rollup) -> Tally:
    added = Tally(row.n, row.failures, row.sum_ms, started_at=row.started_at, ended_at=row.ended_at)
    added.instances, added.iou_sum = row.instances, row.iou_sum
    added.energy_j, added.energy_images = row.energy_j, row.energy_images
    added.load_sum, added.load_images = row.load_sum, row.load_images
    added.peak_memory_bytes, added.memory_images = row.peak_memory_bytes, row.memory_images
    added.counts.update({row.first_bucket + index: count for index, count in enumerate(row.counts) if count})
    return added


def _series(session: Session, job: Job, run: Run, hardware_id: uuid.UUID | None, checkpoint_sha256: str | None) -> int:
    parameters = {"task": run.task, "checkpoint_sha256": checkpoint_sha256}
    sha256 = digest(parameters)
    query = select(ReportSeries.id).where(
        ReportSeries.run_id == run.id,
        ReportSeries.hardware_id.is_not_distinct_from(hardware_id),
        ReportSeries.parameters_sha256 == sha256,
    )
    found = session.scalars(query).one_or_none()
    if found is not None:
        return found
    series = ReportSeries(tenant_id=job.tenant_id, run_id=run.id, origin_run_id=run.id, origin_job_id=job.id)
    series.variant, series.pool, series.hardware_id = run.variant, run.pool, hardware_id
    dataset = session.execute(select(Dataset.name, Dataset.content_sha256).where(Dataset.id == job.dataset_id)).one()
    series.dataset = dataset_label(session, job.tenant_id, dataset.name, dataset.content_sha256)
    series.dataset_content = dataset.content_sha256
    series.code_version = str(run.provenance.get("code_version", UNKNOWN_VERSION))[:64]
    series.parameters, series.parameters_sha256 = parameters, sha256
    session.add(series)
    session.flush()
    return series.id
