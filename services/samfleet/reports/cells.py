"""Sketches of many rollups merged by what a report groups by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, LargeBinary, func, literal
from sqlalchemy.orm import Session

from samfleet.db.models import Rollup
from samfleet.reports.query import Dimension, ReportQuery
from samfleet.rollups.sketch import percentiles

_ARRAY_HEADER_BYTES = 20  # of array_send(int4[]) with one dimension


@dataclass(frozen=True, slots=True)
class Cells:
    """Row i of `histograms` (int64 [cells, buckets], from bucket `first` on) belongs to `rows[i]`, which has the keys
    and `n`, `failures`, `sum_ms` and `batches`, the least number of batches that the images came in.
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
    """Only cells that something was measured or failed in. The arrays come as bytes: a million integers as Python
    objects would take longer than all the rest.
    """
    batch = func.greatest(Rollup.batch_class, 1)
    columns = [column.label(name) for name, column in keys.items()]
    statement = query.select(
        *columns,
        func.sum(Rollup.n).label("n"),
        func.sum(Rollup.failures).label("failures"),
        func.sum(Rollup.sum_ms).label("sum_ms"),
        func.ceil(func.sum(Rollup.n * 1.0 / batch)).label("batches"),
        func.string_agg(_heads(), literal(b"", LargeBinary)).label("heads"),
        func.string_agg(_counts(), literal(b"", LargeBinary)).label("counts"),
        ignore=ignore,
    )
    rows = [dict(row) for row in session.execute(statement.group_by(*keys.values())).mappings()]
    heads = [_integers(row.pop("heads")) for row in rows]
    counts = [_integers(row.pop("counts"))[1::2] for row in rows]
    for row in rows:
        row.update(n=int(row["n"]), failures=int(row["failures"]), batches=int(row["batches"]))
    return Cells(rows, *_add_up(heads, counts))


def _heads() -> ColumnElement[bytes]:
    """First bucket and number of buckets, as big-endian 32-bit integers."""
    head: ColumnElement[bytes] = func.int4send(Rollup.first_bucket).op("||")(
        func.int4send(func.cardinality(Rollup.counts))
    )
    return head


def _counts() -> ColumnElement[bytes]:
    """The same of the counts, each after its size in bytes. An aggregate without an order of its own takes the rows of
    a group as the others do, so the counts follow each other as their heads do.
    """
    return func.substr(func.array_send(Rollup.counts), _ARRAY_HEADER_BYTES + 1)


def _integers(packed: bytes) -> NDArray[np.int32]:
    return np.frombuffer(packed, dtype=">i4").astype(np.int32)


def _add_up(heads: list[NDArray[np.int32]], counts: list[NDArray[np.int32]]) -> tuple[NDArray[np.int64], int]:
    """Histograms (int64 [cells, buckets]) of the sketches of each cell, and the bucket that they begin with."""
    every = np.concatenate(heads).reshape(-1, 2) if heads else np.zeros((0, 2), dtype=np.int32)
    filled = every[every[:, 1] > 0]
    first = int(filled[:, 0].min()) if len(filled) else 0
    width = int(filled.sum(axis=1).max()) - first if len(filled) else 0
    histograms = np.zeros((len(heads), width), dtype=np.int64)
    for histogram, head, numbers in zip(histograms, heads, counts, strict=True):
        at, values = 0, head.tolist()
        for start, size in zip(values[::2], values[1::2], strict=True):
            if size:
                histogram[start - first : start - first + size] += numbers[at : at + size]
                at += size
    return histograms, first
