from __future__ import annotations

from sqlalchemy.orm import Session

from samfleet.reports.cells import read_cells
from samfleet.reports.query import Dimension, ReportQuery
from samfleet.reports.table import Report, build_report

PERCENTILES = (0.5, 0.9, 0.95, 0.99)
MEASURED = ("n", "failures", "mean_ms", "p50_ms", "p90_ms", "p95_ms", "p99_ms")


def latency(session: Session, query: ReportQuery) -> Report:
    """Milliseconds per image, always stage by stage; `image` is all stages but the queue.

    Percentiles are those of the sketch, at most 1 % from the exact ones; counts, failures and means are exact.
    """
    keys = query.keys(Dimension.STAGE)
    cells = read_cells(session, query, keys)
    rows = []
    for row, values in zip(cells.rows, cells.percentiles(PERCENTILES).tolist(), strict=True):
        n = row["n"]
        times = dict(zip(MEASURED[3:], values if n else [None] * len(values), strict=True))
        rows.append({**row, "mean_ms": row["sum_ms"] / n if n else None, **times})
    return build_report(session, query.tenant_id, keys, MEASURED, rows)
