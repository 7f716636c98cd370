"""What a report is asked for: whose measurements, which of them, and what stands in a row of its own."""

from __future__ import annotations

import enum
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, case, func, select

from samfleet.db.models import Hardware, ReportSeries, Rollup
from samfleet.errors import InvalidInput


class ReportInvalid(InvalidInput):
    """The report cannot be made of what was asked for."""

    code = "report_invalid"


class Dimension(enum.StrEnum):
    VARIANT = "variant"
    HARDWARE = "hardware"
    STAGE = "stage"
    BATCH_SIZE = "batch_size"
    PRECISION = "precision"
    JOB = "job"
    DAY = "day"
    POOL = "pool"
    DATASET = "dataset"


def _precision() -> ColumnElement[str]:
    """As executions are written elsewhere: `bf16`, `fp16+compile`."""
    arithmetic = func.coalesce(Hardware.facts["precision"].astext, "fp32")
    compilation = func.coalesce(Hardware.facts["compilation"].astext, "none")
    return case((compilation == "none", arithmetic), else_=arithmetic + "+" + compilation)


def day_of(hour: ColumnElement[Any]) -> ColumnElement[str]:
    day: ColumnElement[str] = func.to_char(hour, "YYYY-MM-DD")
    return day


COLUMNS: dict[Dimension, ColumnElement[Any]] = {
    Dimension.VARIANT: ReportSeries.variant.expression,
    Dimension.HARDWARE: ReportSeries.hardware_id.expression,
    Dimension.STAGE: Rollup.stage.expression,
    Dimension.BATCH_SIZE: Rollup.batch_class.expression,
    Dimension.PRECISION: _precision(),
    Dimension.JOB: ReportSeries.origin_job_id.expression,
    Dimension.DAY: day_of(Rollup.hour.expression),
    Dimension.POOL: ReportSeries.pool.expression,
    Dimension.DATASET: ReportSeries.dataset.expression,
}
OF_ROLLUPS = (Dimension.STAGE, Dimension.BATCH_SIZE, Dimension.DAY)  # the others are the same for a whole series
UNDIVIDED = (Dimension.STAGE, Dimension.BATCH_SIZE)  # clocks and masks belong to whole images and runs
ALWAYS: dict[str, ColumnElement[Any]] = {
    "site": ReportSeries.site.expression,
    "code_version": ReportSeries.code_version.expression,
    "parameters": ReportSeries.parameters_sha256.expression,
}


@dataclass(frozen=True, slots=True)
class ReportQuery:
    """An empty filter lets everything pass. `since` and `until` choose the UTC hours that begin in [since, until).

    What was computed by other parameters, by another version of the code or on another site always has rows of its
    own, whatever `group_by` says: their average would describe nothing.
    """

    tenant_id: uuid.UUID
    group_by: tuple[Dimension, ...] = (Dimension.VARIANT, Dimension.HARDWARE)
    filters: dict[Dimension, tuple[Any, ...]] = field(default_factory=dict)
    sites: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    include_warmup: bool = False

    def keys(self, *more: Dimension, without: Sequence[Dimension] = ()) -> dict[str, ColumnElement[Any]]:
        """Columns of the rows' identity, in their order; unique, each once."""
        wanted = {*self.group_by, *more} - set(without)
        grouped = {dimension.value: COLUMNS[dimension] for dimension in Dimension if dimension in wanted}
        return {**grouped, **ALWAYS}

    def select(self, *columns: Any, ignore: Sequence[Dimension] = ()) -> Select[Any]:
        """Over all rollups that pass the filters, but for those on the dimensions to `ignore`."""
        query = self.select_series(*columns).join(Rollup, Rollup.series_id == ReportSeries.id)
        for dimension in OF_ROLLUPS:
            if dimension not in ignore and (values := self.filters.get(dimension)):
                query = query.where(COLUMNS[dimension].in_(values))
        if self.since is not None:
            query = query.where(Rollup.hour >= self.since)
        if self.until is not None:
            query = query.where(Rollup.hour < self.until)
        if not self.include_warmup:
            query = query.where(Rollup.warmup.is_(False))
        return query

    def select_series(self, *columns: Any) -> Select[Any]:
        """Over all series that pass the filters on what is the same for a whole series."""
        query = (
            select(*columns)
            .select_from(ReportSeries)
            .outerjoin(Hardware, Hardware.id == ReportSeries.hardware_id)
            .where(ReportSeries.tenant_id == self.tenant_id)
        )
        for dimension, values in self.filters.items():
            if values and dimension not in OF_ROLLUPS:
                query = query.where(COLUMNS[dimension].in_(values))
        if self.sites:
            query = query.where(ReportSeries.site.in_(self.sites))
        return query
