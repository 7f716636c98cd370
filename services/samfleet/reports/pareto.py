"""Which variants on which machines nothing else beats in both quality and speed, or quality and cost."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from sqlalchemy.orm import Session

from samfleet.reports.cost import read_cost
from samfleet.reports.quality import UNDIVIDED, by_dataset, with_miou
from samfleet.reports.query import Dimension, ReportQuery
from samfleet.reports.table import Report, Row, build_report
from samfleet.reports.throughput import read_throughput

Against = Literal["speed", "cost"]
FIGURE = {"speed": "images_per_second", "cost": "cost_per_1000_images"}


def pareto(session: Session, query: ReportQuery, against: Against) -> Report:
    """Points without a figure to weigh (no annotations, no price) are left out. Quality is of all images, warm-up
    included. Costs in several currencies are kept apart as if they were of several datasets.
    """
    asked, figure = by_dataset(query), FIGURE[against]
    divided = (Dimension.HARDWARE,) if against == "cost" else ()
    keys = asked.keys(*divided, without=UNDIVIDED)
    found = read_cost(session, asked) if against == "cost" else read_throughput(session, asked)
    whole = read_throughput(session, replace(asked, group_by=(*asked.group_by, *divided), include_warmup=True))
    measured = {tuple(row[name] for name in keys): row for row in with_miou(whole)}
    points = [
        {**row, **{name: measured[key][name] for name in ("instances", "miou")}}
        for row in found
        if row[figure] is not None and (key := tuple(row[name] for name in keys)) in measured
    ]
    rows = [{**row, "dominated": any(_beats(other, row, against) for other in points)} for row in points]
    more = ("currency",) if against == "cost" else ()
    return build_report(session, query.tenant_id, keys, ("n", "instances", "miou", figure, *more, "dominated"), rows)


def _beats(other: Row, row: Row, against: Against) -> bool:
    if (other["dataset"], other.get("currency")) != (row["dataset"], row.get("currency")):
        return False
    sign = -1 if against == "cost" else 1
    mine = (row["miou"], sign * row[FIGURE[against]])
    theirs = (other["miou"], sign * other[FIGURE[against]])
    return theirs != mine and all(there >= here for there, here in zip(theirs, mine, strict=True))
