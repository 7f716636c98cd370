"""Figures of evaluated runs (AP, AR, mIoU by size), averaged over the runs of a row.

They belong to whole runs, so a filter on hours cannot divide them. A run's figures count in the hour in which its last
image was recorded.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Select, Subquery, and_, func, select
from sqlalchemy.orm import Session

from samfleet.db.models import ReportSeries, Rollup, RunQuality, SeriesQuality
from samfleet.quality.protocol import CLASS_AGNOSTIC, CLASS_AWARE, FEDERATED, Area, Metric
from samfleet.reports.query import Dimension, ReportQuery, day_of
from samfleet.wire.stages import IMAGE

SIZES: tuple[Area, ...] = ("small", "medium", "large")
AP_LIMIT, AR_LIMIT, LVIS_LIMIT = CLASS_AWARE.limits[-1], CLASS_AGNOSTIC.limits[-1], FEDERATED.limits[-1]
FIGURES: dict[str, tuple[Metric, Area, int]] = {
    "miou_evaluated": ("miou", "all", 1),
    **{f"miou_{size}": ("miou", size, 1) for size in SIZES},
    "ap": ("ap", "all", AP_LIMIT),
    "ap50": ("ap50", "all", AP_LIMIT),
    "ap75": ("ap75", "all", AP_LIMIT),
    **{f"ap_{size}": ("ap", size, AP_LIMIT) for size in SIZES},
    **{f"ar_{limit}": ("ar", "all", limit) for limit in CLASS_AGNOSTIC.limits},
    **{f"ar_{AR_LIMIT}_{size}": ("ar", size, AR_LIMIT) for size in SIZES},
    "ap_agnostic": ("ap_agnostic", "all", AP_LIMIT),
    "ap50_agnostic": ("ap50_agnostic", "all", AP_LIMIT),
    "ap75_agnostic": ("ap75_agnostic", "all", AP_LIMIT),
    **{f"ap_agnostic_{size}": ("ap_agnostic", size, AP_LIMIT) for size in SIZES},
    "lvis_ap": ("lvis_ap", "all", LVIS_LIMIT),
    "lvis_ap50": ("lvis_ap50", "all", LVIS_LIMIT),
    "lvis_ap75": ("lvis_ap75", "all", LVIS_LIMIT),
    **{f"lvis_ap_{size}": ("lvis_ap", size, LVIS_LIMIT) for size in SIZES},
    "lvis_apr": ("lvis_apr", "all", LVIS_LIMIT),
    "lvis_apc": ("lvis_apc", "all", LVIS_LIMIT),
    "lvis_apf": ("lvis_apf", "all", LVIS_LIMIT),
    "lvis_ar": ("lvis_ar", "all", LVIS_LIMIT),
    **{f"lvis_ar_{size}": ("lvis_ar", size, LVIS_LIMIT) for size in SIZES},
}
Figures = Mapping[str, float | int | None]
NOT_EVALUATED: Figures = {"runs_evaluated": 0, **dict.fromkeys(FIGURES)}


def figures_by_series() -> Subquery:
    """Return the figures by series: of runs evaluated here, and of series imported from other sites.

    Columns: series_id, metric, area, max_detections, value, instances, replicates.
    """
    names = ("metric", "area", "max_detections", "value", "instances", "replicates")
    here, elsewhere = RunQuality.__table__.c, SeriesQuality.__table__.c
    of_runs = select(ReportSeries.id.label("series_id"), *(here[name] for name in names))
    of_runs = of_runs.join(RunQuality, RunQuality.run_id == ReportSeries.run_id)
    of_sites = select(elsewhere.series_id, *(elsewhere[name] for name in names))
    return of_runs.union_all(of_sites).subquery("figure")


def read_figures(
    session: Session, query: ReportQuery, keys: Mapping[str, ColumnElement[Any]]
) -> dict[tuple[Any, ...], Figures]:
    """Return figures by the values of `keys`: means over runs, weighted by each run's number of instances."""
    runs = _runs(query, [name for name in keys if name != Dimension.DAY]).subquery()
    columns = [day_of(runs.c.hour) if name == Dimension.DAY else runs.c[name] for name in keys]
    averages = select(
        *columns,
        func.count(runs.c.origin_run_id.distinct()).label("runs_evaluated"),
        *(_mean(runs.c, figure).label(name) for name, figure in FIGURES.items()),
    ).group_by(*columns)
    if query.since is not None:
        averages = averages.where(runs.c.hour >= query.since)
    if query.until is not None:
        averages = averages.where(runs.c.hour < query.until)
    places = len(columns)
    return {
        tuple(row[:places]): dict(zip(NOT_EVALUATED, row[places:], strict=True)) for row in session.execute(averages)
    }


def read_replicates(
    session: Session, query: ReportQuery, keys: Mapping[str, ColumnElement[Any]], figures: Collection[str]
) -> dict[tuple[Any, ...], dict[str, NDArray[np.float64]]]:
    """Return resampled values of figures (names in `FIGURES`) by the values of `keys`, which include the hardware.

    Replicates of several runs are averaged, weighted by each run's number of instances.
    """
    figure = figures_by_series()
    names = {FIGURES[name]: name for name in figures}
    columns = (figure.c.metric, figure.c.area, figure.c.max_detections, figure.c.replicates, figure.c.instances)
    chosen = query.select_series(*keys.values(), *columns).join(figure, figure.c.series_id == ReportSeries.id)
    places = len(keys)
    sums: dict[tuple[Any, ...], dict[str, list[tuple[int, Any]]]] = {}
    for row in session.execute(chosen.where(figure.c.replicates.is_not(None))):
        name = names.get((row[places], row[places + 1], row[places + 2]))
        if name is not None:
            sums.setdefault(tuple(row[:places]), {}).setdefault(name, []).append((row[-1], row[-2]))
    return {key: {name: _averaged(runs) for name, runs in found.items()} for key, found in sums.items()}


def _averaged(runs: Sequence[tuple[int, Sequence[float]]]) -> NDArray[np.float64]:
    least = min(len(replicates) for _, replicates in runs)
    weights = [instances for instances, _ in runs]
    averaged: NDArray[np.float64] = np.average([replicates[:least] for _, replicates in runs], axis=0, weights=weights)
    return averaged


def _runs(query: ReportQuery, names: list[str]) -> Select[Any]:
    """Select the runs with their figures.

    A run that used two machines counts on each of them, and once if the rows do not distinguish machines.
    """
    last_hour = select(func.max(Rollup.hour)).where(Rollup.series_id == ReportSeries.id, Rollup.stage == IMAGE)
    keys = query.keys()
    series = query.select_series(
        *(keys[name].label(name) for name in names),
        ReportSeries.id,
        ReportSeries.origin_run_id,
        last_hour.correlate(ReportSeries).scalar_subquery().label("hour"),
    ).cte()
    figure = figures_by_series()
    one = [*(series.c[name] for name in names), series.c.origin_run_id]
    which = [figure.c.metric, figure.c.area, figure.c.max_detections]
    return (
        select(
            *one,
            func.max(series.c.hour).label("hour"),
            *which,
            func.max(figure.c.value).label("value"),
            func.max(figure.c.instances).label("instances"),
        )
        .join(figure, figure.c.series_id == series.c.id)
        .group_by(*one, *which)
    )


def _mean(runs: Any, figure: tuple[Metric, Area, int]) -> ColumnElement[Any]:
    """Return the weighted mean of a figure, clamped to the range of its values.

    So rounding does not change the figure of a single run, or equal figures of several.
    """
    metric, area, limit = figure
    wanted = and_(runs.metric == metric, runs.area == area, runs.max_detections == limit)
    total, weights, least, most = (
        aggregate.filter(wanted)
        for aggregate in (
            func.sum(runs.value * runs.instances),
            func.sum(runs.instances),
            func.min(runs.value),
            func.max(runs.value),
        )
    )
    return func.greatest(least, func.least(most, total / func.nullif(weights, 0)))
