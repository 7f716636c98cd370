"""Report queries: the tenant, the filters and the grouping."""

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
    """The parameters of the report are not valid."""

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
    """Return the execution in the notation of `samfleet.variants.execution`: `bf16`, `fp16+compile`."""
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
    """Filters and grouping of a report. An empty filter passes everything.

    `since` and `until` choose the UTC hours that begin in [since, until). Other parameters, another code version or
    another site always get separate rows, regardless of `group_by`: their average would be meaningless.
    """

    tenant_id: uuid.UUID
    group_by: tuple[Dimension, ...] = (Dimension.VARIANT, Dimension.HARDWARE)
    filters: dict[Dimension, tuple[Any, ...]] = field(default_factory=dict)
    sites: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    include_warmup: bool = False

    def keys(self, *more: Dimension, without: Sequence[Dimension] = ()) -> dict[str, ColumnElement[Any]]:
        """Return the columns that identify a row, in their order and without duplicates."""
        wanted = {*self.group_by, *more} - set(without)
        grouped = {dimension.value: COLUMNS[dimension] for dimension in Dimension if dimension in wanted}
        return {**grouped, **ALWAYS}

    def select(self, *columns: Any, ignore: Sequence[Dimension] = ()) -> Select[Any]:
        """Select from all rollups that pass the filters, except filters on the dimensions in `ignore`."""
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
        """Select from all series that pass the filters on properties of a whole series."""
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
