from __future__ import annotations

from sqlalchemy.orm import Session

from samfleet.reports.cells import read_cells
from samfleet.reports.intervals import median_interval
from samfleet.reports.query import Dimension, ReportQuery
from samfleet.reports.table import Report, build_report

PERCENTILES = (0.5, 0.9, 0.95, 0.99)
MEASURED = ("n", "failures", "mean_ms", "p50_ms", "p90_ms", "p95_ms", "p99_ms")
INTERVAL = ("p50_low_ms", "p50_high_ms")


def latency(session: Session, query: ReportQuery, *, intervals: bool = False) -> Report:
    """Report milliseconds per image by stage; `image` is the sum of all stages except the queue.

    Percentiles come from the sketch and differ from the exact ones by at most 1 %. Counts, failures and means are
    exact. With `intervals`, rows have the bounds of a 95 % interval of the median, None with too few batches. It is not
    the default: a bootstrap of each row takes most of the time of a report with many rows.
    """
    keys = query.keys(Dimension.STAGE)
    cells = read_cells(session, query, keys)
    rows = []
    for index, (row, values) in enumerate(zip(cells.rows, cells.percentiles(PERCENTILES).tolist(), strict=True)):
        n = row["n"]
        times = dict(zip(MEASURED[3:], values if n else [None] * len(values), strict=True))
        bounds = dict(zip(INTERVAL, median_interval(cells, index), strict=True)) if intervals else {}
        rows.append({**row, "mean_ms": row["sum_ms"] / n if n else None, **times, **bounds})
    return build_report(session, query.tenant_id, keys, (*MEASURED, *(INTERVAL if intervals else ())), rows)
