"""Measurements that answer a question: time, throughput, cost, quality and memory by variant, execution and machine."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func
from sqlalchemy.orm import Session

from samfleet.advice.figures import Evidence, Figure
from samfleet.advice.question import QUALITIES, Question
from samfleet.advice.spread import relative_error_of_mean
from samfleet.advice.tasks_measured import Scope
from samfleet.db.models import Rollup
from samfleet.quality.resampling import interval_of
from samfleet.reports.cells import Cells, read_cells
from samfleet.reports.cost import read_cost
from samfleet.reports.figures import AR_LIMIT, read_replicates
from samfleet.reports.intervals import LEAST_BATCHES, median_interval
from samfleet.reports.quality import read_quality
from samfleet.reports.query import Dimension, ReportQuery
from samfleet.reports.table import Row
from samfleet.reports.task_words import task_words
from samfleet.site_names import LOCAL_SITE

GROUPS = (Dimension.VARIANT, Dimension.HARDWARE, Dimension.PRECISION, Dimension.POOL, Dimension.DATASET)
RESAMPLED = {"miou": "miou_evaluated", "ap": "ap", "ar": f"ar_{AR_LIMIT}"}  # names in `samfleet.reports.figures`
QUALITY_COLUMNS = {"miou": "miou", "ap": "ap", "ar": f"ar_{AR_LIMIT}"}


@dataclass(frozen=True, slots=True)
class Measurement:
    """Figures of a variant in one execution on one hardware, in one pool, with one checkpoint and code version.

    `parameters` is the whole digest of task and checkpoint. `batches` is the smallest number of batches in which the
    timed images can have come.
    """

    variant: str
    execution: str
    hardware_id: uuid.UUID | None
    pool: str
    site: str
    code_version: str
    parameters: str
    task: Mapping[str, Any]
    last_hour: datetime
    images: int
    failures: int
    batches: int
    figures: Mapping[str, Figure]

    def figure(self, measure: str) -> Figure:
        return self.figures.get(measure) or Figure(measure)

    @property
    def task_in_words(self) -> str:
        return task_words(self.task)

    @property
    def enough(self) -> bool:
        """True if its times have intervals."""
        return self.batches >= LEAST_BATCHES


def read_measurements(session: Session, query: ReportQuery, question: Question, scope: Scope) -> list[Measurement]:
    """Return the measurements of the scope's task and dataset on all hardware."""
    if scope.dataset is None:
        return []
    asked = replace(query, group_by=GROUPS, filters={**query.filters, Dimension.DATASET: (scope.dataset,)})
    names = list(asked.keys())
    last = _last_hours(session, asked)
    timed = replace(asked, filters={**asked.filters, Dimension.STAGE: (question.stage,)})
    cells = read_cells(session, timed, timed.keys())
    times = {_key(row, names): index for index, row in enumerate(cells.rows)}
    work = {_key(row, names): row for row in read_cost(session, asked)}
    quality = {_key(row, names): row for row in read_quality(session, asked)}
    resampled = read_replicates(session, asked, asked.keys(), RESAMPLED.values())
    found = []
    for key, hour in last.items():
        row = dict(zip(names, key, strict=True))
        if row["parameters"] not in scope.tasks:
            continue
        index = times.get(key)
        figures = [
            *_time_figures(question, row["site"], cells, index, work.get(key)),
            *_quality_figures(question, row["site"], quality.get(key), resampled.get(key, {})),
        ]
        found.append(
            _measurement(row, scope, hour, cells.rows[index] if index is not None else None, work.get(key), figures)
        )
    return found


def _measurement(
    row: Row, scope: Scope, hour: datetime, timed: Row | None, work: Row | None, figures: Sequence[Figure]
) -> Measurement:
    return Measurement(
        variant=row["variant"],
        execution=row["precision"],
        hardware_id=row["hardware"],
        pool=row["pool"],
        site=row["site"],
        code_version=row["code_version"],
        parameters=row["parameters"],
        task=scope.tasks[row["parameters"]],
        last_hour=hour,
        images=timed["n"] if timed else 0,
        failures=work["failures"] if work else 0,
        batches=min(timed["batches"], timed["n"]) if timed else 0,
        figures={figure.measure: figure for figure in figures},
    )


def evidence_of(site: str) -> tuple[Evidence, str]:
    """Return the evidence of a measurement, and the site in words if it is another one."""
    return ("measured here", "") if site == LOCAL_SITE else ("measured at site", site)


def _last_hours(session: Session, query: ReportQuery) -> dict[tuple[Any, ...], datetime]:
    keys = query.keys()
    columns = [column.label(name) for name, column in keys.items()]
    every = replace(query, include_warmup=True).select(*columns, func.max(Rollup.hour).label("hour"))
    rows = session.execute(every.group_by(*keys.values()))
    return {tuple(row[:-1]): row[-1] for row in rows}


def _key(row: Row, names: Sequence[str]) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


def _time_figures(question: Question, site: str, cells: Cells, index: int | None, work: Row | None) -> list[Figure]:
    evidence, where = evidence_of(site)
    if index is None or not cells.rows[index]["n"]:
        return []
    n = cells.rows[index]["n"]
    ((median,),) = cells.percentiles((0.5,))[[index]]
    low, high = median_interval(cells, index)
    found = [Figure("latency", float(median), evidence, n, low=low, high=high, where=where)]
    error = relative_error_of_mean(cells, index)
    if work is None:
        return found
    if (per_hour := work["images_per_gpu_hour"]) is not None:
        found.append(_with_error(Figure("images_per_hour", per_hour, evidence, work["n"], where=where), error))
    cost, currency = work["cost_per_1000_images"], work["currency"]
    if cost is not None and currency == question.currency:
        found.append(_with_error(Figure("cost", cost, evidence, work["n"], unit=currency, where=where), error))
    else:
        reason = f"the price is in {currency}" if currency else "no price is set"
        found.append(Figure("cost", unit=question.currency, where=reason))
    return found


def _with_error(figure: Figure, error: float | None) -> Figure:
    """Add the interval of a figure that is proportional to a mean time, or to its inverse."""
    if error is None or figure.value is None:
        return figure
    return replace(figure, low=figure.value / (1 + error), high=figure.value * (1 + error))


def _quality_figures(
    question: Question, site: str, row: Row | None, resampled: Mapping[str, NDArray[np.float64]]
) -> list[Figure]:
    evidence, where = evidence_of(site)
    if row is None:
        return []
    found = []
    for name in QUALITIES[question.task]:
        if (value := row[QUALITY_COLUMNS[name]]) is not None:
            objects = row["instances"] or None
            low, high = interval_of(resampled.get(RESAMPLED[name])) or (None, None)
            found.append(Figure(name, float(value), evidence, objects, "objects", low=low, high=high, where=where))
    return found
