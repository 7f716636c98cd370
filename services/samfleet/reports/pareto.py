"""Pareto fronts of variants on machines: quality against speed, or quality against cost.

Only points with the same work are compared: the annotations of one dataset, and one `task`. A box prompt takes less
time than all masks of an image, but it is a different task.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import Literal

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from samfleet.db.models import ReportSeries
from samfleet.reports.cost import read_cost
from samfleet.reports.figures import AR_LIMIT
from samfleet.reports.quality import by_dataset, read_quality
from samfleet.reports.query import UNDIVIDED, Dimension, ReportQuery
from samfleet.reports.table import Report, Row, build_report
from samfleet.reports.throughput import read_throughput

Against = Literal["device", "speed", "cost"]
Measure = Literal["miou", "ap", "ar", "lvis_ap"]
SPEEDS = {"device": "images_per_gpu_hour", "speed": "images_per_second"}
FIGURES = {**SPEEDS, "cost": "cost_per_1000_images"}
QUALITY = {"miou": "miou", "ap": "ap", "ar": f"ar_{AR_LIMIT}", "lvis_ap": "lvis_ap"}


@dataclass(frozen=True, slots=True)
class _Axes:
    """The columns that are compared."""

    quality: str
    figure: str
    cheaper: bool  # less of the figure is better

    def beats(self, other: Row, row: Row) -> bool:
        if any(other.get(name) != row.get(name) for name in ("dataset", "task", "currency")):
            return False
        sign = -1 if self.cheaper else 1
        mine, theirs = ((point[self.quality], sign * point[self.figure]) for point in (row, other))
        return theirs != mine and all(there >= here for there, here in zip(theirs, mine, strict=True))


def pareto(session: Session, query: ReportQuery, against: Against, measure: Measure = "miou") -> Report:
    """Return all points with `dominated`: another point is at least as good on both axes and better on one.

    `device` is speed by device time. `speed` is by wall time: runs of one job share their pool, so the wall time of
    each includes the others. Points without a figure (no annotations, no evaluation, no price) are left out. Quality
    covers all images, including warm-up. Points with different currencies are not compared, like points on different
    datasets.
    """
    asked, axes = by_dataset(query), _Axes(QUALITY[measure], FIGURES[against], against == "cost")
    divided = (Dimension.HARDWARE,) if against == "cost" else ()
    keys = asked.keys(*divided, without=UNDIVIDED)
    found = read_cost(session, asked) if against == "cost" else read_throughput(session, asked)
    measured = {
        tuple(row[name] for name in keys): {name: row[name] for name in ("instances", *QUALITY.values())}
        for row in read_quality(session, replace(asked, group_by=(*asked.group_by, *divided)))
        if row[axes.quality] is not None
    }
    tasks = _tasks(session, query.tenant_id, {row["parameters"] for row in found})
    points = [
        {**row, **measured[key], "quality": measure, "against": against, "task": tasks[row["parameters"]]}
        for row in found
        if row[axes.figure] is not None and (key := tuple(row[name] for name in keys)) in measured
    ]
    rows = [{**row, "dominated": any(axes.beats(other, row) for other in points)} for row in points]
    weighed = (axes.figure, "currency") if against == "cost" else tuple(SPEEDS.values())
    shown = ("n", "instances", *QUALITY.values(), *weighed, "quality", "against", "task", "dominated")
    return build_report(session, query.tenant_id, keys, shown, rows)


def _tasks(session: Session, tenant_id: uuid.UUID, digests: set[str]) -> dict[str, str]:
    """Return the task (`everything`, `prompts box` and the like) by digest of the parameters.

    Boxes from annotations reveal the objects, so a run prompted with them counts as another task.
    """
    task = ReportSeries.parameters["task"]
    boxes = case((task["boxes_from"].astext == "annotations", "annotations"))
    name = func.concat_ws(" ", task["kind"].astext, task["prompt"].astext, boxes).label("task")
    of_tenant = select(ReportSeries.parameters_sha256, name).where(ReportSeries.tenant_id == tenant_id).distinct()
    rows = session.execute(of_tenant.where(ReportSeries.parameters_sha256.in_(digests)))
    return {row.parameters_sha256: row.task for row in rows}
