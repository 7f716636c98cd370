"""Tables 4 and 5: the time of a model per image, with a single box prompt and for all masks of an image.

The time is that of stage `model`: preprocess, encode, decode and postprocess inside Triton. An image of a batch has its
share of the batch's time. Warm-up is left out.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, func
from sqlalchemy.orm import Session

from samfleet.db.models import Hardware, ReportSeries, Rollup
from samfleet.reports.cells import Cells, read_cells
from samfleet.reports.intervals import LEAST_BATCHES, median_interval, resampled_medians
from samfleet.reports.query import Dimension, ReportQuery
from samfleet.reports.table import Row
from samfleet.rollups.sketch import bucket_values
from samfleet.survey.conditions import fields_of, grid_condition, hardware_condition
from samfleet.variants.stand_ins import is_stand_in
from samfleet.variants.survey_figures import Condition
from samfleet.wire.stages import IMAGE, MODEL

MEASURED = (
    "weights",
    "n",
    "p50_ms",
    "low_ms",
    "high_ms",
    "outliers",
    "runs",
    "run_spread",
    "other_load",
    "published",
    "published_on",
    "ratio",
)
_RUN = "run"
_FENCE = 3.0  # quartile distances above the upper quartile: Tukey's far outliers


@dataclass(frozen=True, slots=True)
class Timed:
    """Times of equal work on one machine.

    `run_spread` is (highest - lowest) / median of the medians of its runs. `medians` are resampled medians, float64
    [replicates] in ms; None with too few batches.
    """

    row: Row
    fields: Row
    medians: NDArray[np.float64] | None = None


def timed(session: Session, query: ReportQuery) -> list[Timed]:
    """Return the time of the model for each row of the query that has measurements."""
    chosen = replace(query, filters={**query.filters, Dimension.STAGE: (MODEL,)})
    keys = chosen.keys()
    cells = read_cells(session, chosen, {**keys, _RUN: ReportSeries.origin_run_id.expression})
    found = [_timed(cells, list(keys), members) for members in _equal_work(cells, list(keys))]
    loads = _loads(session, query, keys)
    return [replace(one, fields={**one.fields, "other_load": loads.get(tuple(one.row.values()))}) for one in found]


def one_box_row(one: Timed, machines: Mapping[Any, Hardware]) -> Row:
    """Return a row of table 4."""
    machine = machines.get(one.row["hardware"])
    condition = hardware_condition(machine.device_kind, machine.device_name) if machine else None
    return _compared(one, condition)


def everything_row(one: Timed, task: Mapping[str, Any], machines: Mapping[Any, Hardware]) -> Row | None:
    """Return a row of table 5; None for a task that the survey did not time.

    A CPU has no ratio, because the survey timed SegEvery on a GPU.
    """
    condition, machine = grid_condition(task), machines.get(one.row["hardware"])
    if condition is None:
        return None
    row = {**_compared(one, condition), "method": condition.label}
    return {**row, "ratio": None} if machine is not None and machine.device_kind == "cpu" else row


def _compared(one: Timed, condition: Condition | None) -> Row:
    fields = fields_of(condition, one.row["variant"])
    known = fields["published"] is not None
    ratio = one.fields["p50_ms"] / fields["published"] if known else None
    weights = "random" if is_stand_in(one.row["variant"]) else "real"
    return {**one.row, **one.fields, **fields, "ratio": ratio, "weights": weights}


def _equal_work(cells: Cells, keys: Sequence[str]) -> Iterator[list[int]]:
    """Yield the places of the runs that belong to one row; runs in which all images failed are left out."""
    found: dict[tuple[Any, ...], list[int]] = {}
    for index, row in enumerate(cells.rows):
        if row["n"]:
            found.setdefault(tuple(row[name] for name in keys), []).append(index)
    yield from found.values()


def _timed(cells: Cells, keys: Sequence[str], members: Sequence[int]) -> Timed:
    rows = [cells.rows[index] for index in members]
    total = {name: sum(row[name] for row in rows) for name in ("n", "batches")}
    merged = Cells([total], cells.histograms[list(members)].sum(axis=0, keepdims=True), cells.first)
    ((median,),) = merged.percentiles((0.5,)).tolist()
    low, high = median_interval(merged, 0)
    medians = cells.percentiles((0.5,))[list(members), 0]
    fields = {
        "n": total["n"],
        "p50_ms": median,
        "low_ms": low,
        "high_ms": high,
        "outliers": _outliers(merged),
        "runs": len(members),
        "run_spread": float(np.ptp(medians) / np.median(medians)) if len(members) > 1 and medians.all() else None,
    }
    row = {name: rows[0][name] for name in keys}
    seed = zlib.crc32(repr(sorted(row.items(), key=str)).encode())
    enough = total["batches"] >= LEAST_BATCHES
    return Timed(row, fields, resampled_medians(merged, 0, seed) if enough else None)


def _loads(
    session: Session, query: ReportQuery, keys: Mapping[str, ColumnElement[Any]]
) -> dict[tuple[Any, ...], float]:
    """Return the mean share of the machine's CPU time that other processes used, by the values of `keys`."""
    mean = func.sum(Rollup.load_sum) / func.nullif(func.sum(Rollup.load_images), 0)
    chosen = query.select(*(column.label(name) for name, column in keys.items()), mean).where(Rollup.stage == IMAGE)
    rows = session.execute(chosen.group_by(*keys.values()))
    return {tuple(row[:-1]): row[-1] for row in rows if row[-1] is not None}


def _outliers(cells: Cells) -> int:
    """Count times far above the others: more than three quartile distances above the upper quartile."""
    ((lower, upper),) = cells.percentiles((0.25, 0.75)).tolist()
    histogram: NDArray[np.int64] = cells.histograms[0]
    values = bucket_values(np.arange(cells.first, cells.first + len(histogram)))
    return int(histogram[values > upper + _FENCE * (upper - lower)].sum())
