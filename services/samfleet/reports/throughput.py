"""Throughput: images over time.

The clock of a run goes from the first claim of a shard to the last record in the requested hours. So a pause makes a
run as slow as its user saw it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from samfleet.db.models import ReportSeries, Rollup
from samfleet.reports.query import UNDIVIDED, ReportQuery
from samfleet.reports.table import Report, Row, build_report
from samfleet.wire.stages import DEVICE_STAGES, IMAGE

MEASURED = (
    "n",
    "failures",
    "wall_seconds",
    "images_per_second",
    "images_per_gpu_hour",
    "gpu_busy_share",
    "queue_share",
)
MS_PER_HOUR = 3_600_000


def throughput(session: Session, query: ReportQuery) -> Report:
    """Report images per second and per hour of device time.

    `images_per_gpu_hour` counts only the time on the device (encode, decode, postprocess). `gpu_busy_share` is that
    time over the wall time; `queue_share` is waiting over waiting and working.
    """
    keys = query.keys(without=UNDIVIDED)
    return build_report(session, query.tenant_id, keys, MEASURED, read_throughput(session, query))


def read_throughput(session: Session, query: ReportQuery) -> list[Row]:
    """Return throughput by key. A clock belongs to a whole run, so stage and batch size do not divide it."""
    keys = query.keys(without=UNDIVIDED)
    columns = [column.label(name) for name, column in keys.items()]
    image, coalesce = Rollup.stage == IMAGE, func.coalesce
    runs = query.select(
        *columns,
        func.sum(Rollup.n).filter(image).label("n"),
        func.sum(Rollup.failures).filter(image).label("failures"),
        func.extract("epoch", func.max(Rollup.ended_at) - func.min(Rollup.started_at)).label("wall"),
        coalesce(func.sum(Rollup.sum_ms).filter(image), 0.0).label("image_ms"),
        coalesce(func.sum(Rollup.sum_ms).filter(Rollup.stage.in_(DEVICE_STAGES)), 0.0).label("gpu_ms"),
        coalesce(func.sum(Rollup.sum_ms).filter(Rollup.stage == "queue"), 0.0).label("queue_ms"),
        func.sum(Rollup.energy_j).filter(image).label("energy_j"),
        func.sum(Rollup.energy_images).filter(image).label("energy_images"),
        ignore=UNDIVIDED,
    )
    runs_by = runs.group_by(*keys.values(), ReportSeries.origin_run_id).subquery()
    names = [runs_by.c[name] for name in keys]
    sums = ("n", "failures", "wall", "image_ms", "gpu_ms", "queue_ms", "energy_j", "energy_images")
    query_all = select(*names, *(func.coalesce(func.sum(runs_by.c[name]), 0).label(name) for name in sums))
    return [_figures(dict(row)) for row in session.execute(query_all.group_by(*names)).mappings()]


def _figures(row: dict[str, Any]) -> Row:
    n, wall, gpu_ms = int(row["n"]), float(row["wall"]), float(row["gpu_ms"])
    spent = float(row["queue_ms"]) + float(row["image_ms"])
    return {
        **row,
        "n": n,
        "failures": int(row["failures"]),
        "wall_seconds": wall,
        "images_per_second": n / wall if wall else None,
        "images_per_gpu_hour": n * MS_PER_HOUR / gpu_ms if gpu_ms else None,
        "gpu_busy_share": gpu_ms / (wall * 1000) if wall else None,
        "queue_share": float(row["queue_ms"]) / spent if spent else None,
    }
