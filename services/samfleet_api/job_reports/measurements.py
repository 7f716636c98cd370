"""The rows of a job's report: each variant on each machine, with the figures of the reports."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from samfleet.reports.cost import cost
from samfleet.reports.latency import latency
from samfleet.reports.pareto import pareto
from samfleet.reports.quality import quality
from samfleet.reports.query import Dimension, ReportQuery
from samfleet.reports.table import Row
from samfleet.reports.throughput import throughput
from samfleet.wire.stages import IMAGE, STAGES

KEYS = ("variant", "hardware_id", "code_version", "parameters")
Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """One variant on one machine. `times` are the rows of the latency report by stage, with `image` for all stages.

    Each report's row is empty if it has none for this variant and machine.
    """

    variant: str
    hardware: str
    code_version: str
    task_in_words: str
    parameters: str
    times: Mapping[str, Row] = field(default_factory=dict)
    throughput: Row = field(default_factory=dict)
    quality: Row = field(default_factory=dict)
    cost: Row = field(default_factory=dict)

    @property
    def image(self) -> Row:
        """Return the times of whole images; empty before the first that is no warm-up."""
        return self.times.get(IMAGE, {})

    @property
    def stages(self) -> list[tuple[str, Row]]:
        return [(name, self.times[name]) for name in STAGES if self.times.get(name, {}).get("n")]


@dataclass(frozen=True, slots=True)
class Measurements:
    """Rows and the points of the Pareto chart."""

    rows: Sequence[Measured]
    points: Sequence[Row]


def read_measurements(session: Session, tenant_id: uuid.UUID, job_id: uuid.UUID) -> Measurements:
    """Read the figures of a job. They are those of `GET /v1/reports/…?job=`, so the two agree."""
    query = ReportQuery(tenant_id, (Dimension.VARIANT, Dimension.HARDWARE), {Dimension.JOB: (job_id,)})
    times = latency(session, query).rows
    by_stage: dict[Key, dict[str, Row]] = {}
    for row in times:
        by_stage.setdefault(_key(row), {})[row["stage"]] = row
    rates, agreement, costs = (_by_key(report(session, query).rows) for report in (throughput, quality, cost))
    first = {**_by_key(times), **rates}
    rows = [
        Measured(
            variant=row["variant"],
            hardware=row["hardware"] or "unknown hardware",
            code_version=row["code_version"],
            task_in_words=row["task_in_words"],
            parameters=row["parameters"],
            times=by_stage.get(key, {}),
            throughput=rates.get(key, {}),
            quality=agreement.get(key, {}),
            cost=costs.get(key, {}),
        )
        for key, row in sorted(first.items(), key=lambda item: tuple(map(str, item[0])))
    ]
    return Measurements(rows, pareto(session, query, "device").rows)


def _by_key(rows: Iterable[Row]) -> dict[Key, Row]:
    return {_key(row): row for row in rows}


def _key(row: Row) -> Key:
    return tuple(row[name] for name in KEYS)
