from __future__ import annotations

from sqlalchemy.orm import Session

from samfleet.reports.cells import read_cells
from samfleet.reports.query import Dimension, ReportQuery
from samfleet.reports.table import Report, build_report

PERCENTILES = (0.5, 0.9, 0.95, 0.99)
MEASURED = ("n", "failures", "mean_ms", "p50_ms", "p90_ms", "p95_ms", "p99_ms")


def latency(session: Session, query: ReportQuery) -> Report:
    """Report milliseconds per image by stage; `image` is the sum of all stages except the queue.

    Percentiles come from the sketch and differ from the exact ones by at most 1 %. Counts, failures and means are
    exact.
    """
    keys = query.keys(Dimension.STAGE)
    cells = read_cells(session, query, keys)
    rows = []
    for row, values in zip(cells.rows, cells.percentiles(PERCENTILES).tolist(), strict=True):
        n = row["n"]
        times = dict(zip(MEASURED[3:], values if n else [None] * len(values), strict=True))
        rows.append({**row, "mean_ms": row["sum_ms"] / n if n else None, **times})
    return build_report(session, query.tenant_id, keys, MEASURED, rows)
