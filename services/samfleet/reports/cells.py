"""Sketches of many rollups, merged by the keys that a report groups by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, func, text
from sqlalchemy.orm import Session

from samfleet.db.models import Rollup
from samfleet.reports.query import Dimension, ReportQuery
from samfleet.rollups.histogram import unpack
from samfleet.rollups.sketch import percentiles

WORK_MEM = "32MB"  # with less, sums of many cells are sorted on disk: a year by day takes twice as long


@dataclass(frozen=True, slots=True)
class Cells:
    """Measured cells: counts in `rows`, sketches in `histograms`.

    Row i of `histograms` (int64 [cells, buckets], from bucket `first` on) belongs to `rows[i]`. A row has the keys and
    `n`, `failures`, `sum_ms` and `batches`: the smallest number of batches in which the images can have come.
    """

    rows: list[dict[str, Any]]
    histograms: NDArray[np.int64]
    first: int

    def zeros(self) -> NDArray[np.int64]:
        counted: NDArray[np.int64] = self.histograms.sum(axis=1)
        totals = np.array([row["n"] for row in self.rows], dtype=np.int64)
        zeros: NDArray[np.int64] = totals - counted
        return zeros

    def percentiles(self, fractions: tuple[float, ...]) -> NDArray[np.float64]:
        return percentiles(self.histograms, self.first, self.zeros(), fractions)


def read_cells(
    session: Session, query: ReportQuery, keys: dict[str, ColumnElement[Any]], *, ignore: tuple[Dimension, ...] = ()
) -> Cells:
    """Return the cells in which something was measured or failed."""
    batch = func.greatest(Rollup.batch_class, 1)
    columns = [column.label(name) for name, column in keys.items()]
    statement = query.select(
        *columns,
        func.sum(Rollup.n).label("n"),
        func.sum(Rollup.failures).label("failures"),
        func.sum(Rollup.sum_ms).label("sum_ms"),
        func.ceil(func.sum(Rollup.n * 1.0 / batch)).label("batches"),
        func.numeric_send(func.sum(Rollup.histogram)).label("histogram"),
        ignore=ignore,
    )
    session.execute(text(f"SET LOCAL work_mem = '{WORK_MEM}'"))
    rows = [dict(row) for row in session.execute(statement.group_by(*keys.values())).mappings()]
    histograms, first = unpack([row.pop("histogram") for row in rows])
    for row in rows:
        row.update(n=int(row["n"]), failures=int(row["failures"]), batches=int(row["batches"]))
    return Cells(rows, histograms, first)
