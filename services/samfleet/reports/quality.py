"""Agreement of masks with annotations: measured image by image, and from evaluations of whole runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Select, func
from sqlalchemy.orm import Session

from samfleet.db.models import Rollup
from samfleet.reports.figures import NOT_EVALUATED, read_figures
from samfleet.reports.query import UNDIVIDED, Dimension, ReportQuery
from samfleet.reports.table import Report, Row, build_report
from samfleet.wire.stages import IMAGE

MEASURED = ("n", "failures", "instances", "miou", *NOT_EVALUATED)


def quality(session: Session, query: ReportQuery) -> Report:
    asked = by_dataset(query)
    return build_report(session, query.tenant_id, asked.keys(without=UNDIVIDED), MEASURED, read_quality(session, asked))


def read_quality(session: Session, query: ReportQuery) -> list[Row]:
    """Return rows that have annotations. Warm-up images count here: warm-up changes times, not masks."""
    keys = query.keys(without=UNDIVIDED)
    evaluated = read_figures(session, query, keys)
    rows = []
    for row in session.execute(_measured(query, keys)).mappings():
        figures = evaluated.get(tuple(row[name] for name in keys))
        counts = {name: int(row[name]) for name in ("n", "failures", "instances")}
        if counts["instances"] or figures:
            miou = row["iou_sum"] / counts["instances"] if counts["instances"] else None
            rows.append({**row, **counts, "miou": miou, **(figures or NOT_EVALUATED)})
    return rows


def _measured(query: ReportQuery, keys: Mapping[str, ColumnElement[Any]]) -> Select[Any]:
    names = ("n", "failures", "instances", "iou_sum")
    sums = [func.sum(getattr(Rollup, name)).label(name) for name in names]
    columns = [column.label(name) for name, column in keys.items()]
    every = replace(query, include_warmup=True).select(*columns, *sums, ignore=UNDIVIDED)
    return every.where(Rollup.stage == IMAGE).group_by(*keys.values())


def by_dataset(query: ReportQuery) -> ReportQuery:
    """Group by dataset too, because figures on different annotations are not comparable."""
    return replace(query, group_by=(*query.group_by, Dimension.DATASET))
