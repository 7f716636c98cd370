"""How well masks agree with annotations: the mean over instances of the best mask's intersection over union."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy.orm import Session

from samfleet.reports.query import Dimension, ReportQuery
from samfleet.reports.table import Report, Row, build_report
from samfleet.reports.throughput import read_throughput

MEASURED = ("n", "instances", "miou")
UNDIVIDED = (Dimension.STAGE, Dimension.BATCH_SIZE)


def quality(session: Session, query: ReportQuery) -> Report:
    """Warm-up counts here: it changes times and no mask."""
    asked = replace(by_dataset(query), include_warmup=True)
    rows = with_miou(read_throughput(session, asked))
    return build_report(session, query.tenant_id, asked.keys(without=UNDIVIDED), MEASURED, rows)


def by_dataset(query: ReportQuery) -> ReportQuery:
    """Figures of different annotations have nothing in common."""
    return replace(query, group_by=(*query.group_by, Dimension.DATASET))


def with_miou(rows: list[Row]) -> list[Row]:
    """Only the rows that had annotations to agree with."""
    return [{**row, "miou": row["iou_sum"] / row["instances"]} for row in rows if row["instances"]]
