"""How well masks agree with annotations: what was measured image by image, and the evaluations of whole runs."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy.orm import Session

from samfleet.reports.figures import NOT_EVALUATED, read_figures
from samfleet.reports.query import Dimension, ReportQuery
from samfleet.reports.table import Report, Row, build_report
from samfleet.reports.throughput import read_throughput

MEASURED = ("n", "failures", "instances", "miou", *NOT_EVALUATED)
UNDIVIDED = (Dimension.STAGE, Dimension.BATCH_SIZE)


def quality(session: Session, query: ReportQuery) -> Report:
    asked = by_dataset(query)
    return build_report(session, query.tenant_id, asked.keys(without=UNDIVIDED), MEASURED, read_quality(session, asked))


def read_quality(session: Session, query: ReportQuery) -> list[Row]:
    """Only what had annotations to agree with. Warm-up counts here: it changes times and no mask."""
    keys = query.keys(without=UNDIVIDED)
    evaluated = read_figures(session, query, keys)
    rows = []
    for row in read_throughput(session, replace(query, include_warmup=True)):
        figures = evaluated.get(tuple(row[name] for name in keys))
        if row["instances"] or figures:
            miou = row["iou_sum"] / row["instances"] if row["instances"] else None
            rows.append({**row, "miou": miou, **(figures or NOT_EVALUATED)})
    return rows


def by_dataset(query: ReportQuery) -> ReportQuery:
    """Figures of different annotations have nothing in common."""
    return replace(query, group_by=(*query.group_by, Dimension.DATASET))
