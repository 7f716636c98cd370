"""Earlier runs of this site with the same variant and task, read from report series and rollups."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from samfleet.db.models import Hardware, HardwarePrice, ReportSeries, Rollup, Run
from samfleet.machine import machine_name
from samfleet.site_names import LOCAL_SITE
from samfleet.wire.stages import DEVICE_STAGES, IMAGE

MOST_RUNS = 20  # for each variant and pool, the newest: older ones say little about the fleet of today


@dataclass(slots=True)
class EarlierRun:
    """A run of this site. `device_ms` is the time on its devices by id of the hardware, warm-up included."""

    variant: str
    pool: str
    images: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    device_ms: dict[uuid.UUID, float] = field(default_factory=lambda: defaultdict(float))
    part_bytes: int | None = None
    recorded: int = 0

    @property
    def seconds(self) -> float:
        """Return the wall time from the first claim to the last record."""
        if self.started_at is None or self.ended_at is None:
            return 0.0
        return (self.ended_at - self.started_at).total_seconds()


@dataclass(frozen=True, slots=True)
class Price:
    per_hour: float
    currency: str


def earlier_runs(session: Session, tenant_id: uuid.UUID, tasks: Mapping[str, Mapping[str, Any]]) -> list[EarlierRun]:
    """Return the newest runs of each variant with its task of `tasks`, on any pool, the newest first."""
    series = _newest_series(session, tenant_id, tasks)
    runs = {origin: EarlierRun(variant, pool) for origin, variant, pool in series}
    _add_times(session, tenant_id, runs)
    _add_sizes(session, runs)
    return list(runs.values())


def prices_of(session: Session, tenant_id: uuid.UUID) -> Mapping[uuid.UUID, Price]:
    rows = session.scalars(select(HardwarePrice).where(HardwarePrice.tenant_id == tenant_id))
    return {row.hardware_id: Price(row.per_hour, row.currency) for row in rows}


def names_of(session: Session, ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, str]:
    rows = session.scalars(select(Hardware).where(Hardware.id.in_(ids)))
    return {row.id: machine_name(row.device_kind, row.device_name, row.facts) for row in rows}


def _newest_series(
    session: Session, tenant_id: uuid.UUID, tasks: Mapping[str, Mapping[str, Any]]
) -> list[tuple[uuid.UUID, str, str]]:
    """Return id, variant and pool of runs. A run has a series for each hardware; their ids grow with time."""
    newest = func.max(ReportSeries.id)
    keys = ReportSeries.variant, ReportSeries.pool
    place = func.row_number().over(partition_by=keys, order_by=newest.desc()).label("place")
    ranked = (
        select(ReportSeries.origin_run_id, *keys, newest.label("newest"), place)
        .where(*_of(tenant_id), or_(*(_same_task(variant, task) for variant, task in tasks.items())))
        .group_by(ReportSeries.origin_run_id, *keys)
        .subquery()
    )
    query = select(ranked.c.origin_run_id, ranked.c.variant, ranked.c.pool).where(ranked.c.place <= MOST_RUNS)
    return [(row[0], row[1], row[2]) for row in session.execute(query.order_by(ranked.c.newest.desc()))]


def _of(tenant_id: uuid.UUID) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return ReportSeries.tenant_id == tenant_id, ReportSeries.site == LOCAL_SITE


def _same_task(variant: str, task: Mapping[str, Any]) -> ColumnElement[bool]:
    return and_(ReportSeries.variant == variant, ReportSeries.parameters["task"] == dict(task))


def _add_times(session: Session, tenant_id: uuid.UUID, runs: Mapping[uuid.UUID, EarlierRun]) -> None:
    image, coalesce = Rollup.stage == IMAGE, func.coalesce
    query = (
        select(
            ReportSeries.origin_run_id,
            ReportSeries.hardware_id,
            coalesce(func.sum(Rollup.n + Rollup.failures).filter(image), 0),
            func.min(Rollup.started_at),
            func.max(Rollup.ended_at),
            coalesce(func.sum(Rollup.sum_ms).filter(Rollup.stage.in_(DEVICE_STAGES)), 0.0),
        )
        .join(Rollup, Rollup.series_id == ReportSeries.id)
        .where(*_of(tenant_id), ReportSeries.origin_run_id.in_(runs))
        .group_by(ReportSeries.origin_run_id, ReportSeries.hardware_id)
    )
    for origin, hardware_id, images, started_at, ended_at, device_ms in session.execute(query):
        run = runs[origin]
        run.images += int(images)
        run.started_at = min(filter(None, (run.started_at, started_at)), default=None)
        run.ended_at = max(filter(None, (run.ended_at, ended_at)), default=None)
        if hardware_id is not None:
            run.device_ms[hardware_id] += float(device_ms)


def _add_sizes(session: Session, runs: Mapping[uuid.UUID, EarlierRun]) -> None:
    """Add the bytes of the runs that still exist. Results that were taken over have parts too."""
    query = select(Run.id, Run.part_bytes, Run.succeeded + Run.failed).where(Run.id.in_(runs), Run.parts > 0)
    for run_id, part_bytes, recorded in session.execute(query):
        runs[run_id].part_bytes, runs[run_id].recorded = int(part_bytes), int(recorded)
