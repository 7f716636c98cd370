"""Bytes per image and mask of an installation, in PostgreSQL with its indexes and in the object store.

    SAMFLEET_STATE_DIR=.samfleet python -m benchmarks.storage_bytes

measures the running embedded stack of this directory; with `--settings`, the installation that `SAMFLEET_DATABASE_URL`
and `SAMFLEET_STORAGE_URL` name. Run `VACUUM FULL` before, if the figures are to be those without dead rows.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine, text

from benchmarks.environment import circumstances
from samfleet.config import Settings
from samfleet.db.models import Base
from samfleet.db.session import connect, read_only
from samfleet.jobs.check_objects import Comparison, missing_objects
from samfleet.pooling import Pooling
from samfleet.storage.factory import open_store
from samfleet_cli.local_stack.settings import StackSettings
from samfleet_cli.local_stack.stack import running_stack

SIZES = text("""
    SELECT relname, pg_relation_size(oid) AS heap, pg_indexes_size(oid) AS indexes, pg_total_relation_size(oid) AS total
    FROM pg_class WHERE relname = ANY(:tables) AND relkind = 'r'
""")
PARTS = text("""
    SELECT variant, sum(succeeded + failed)::bigint AS results, sum(masks)::bigint AS masks,
      sum(part_bytes)::bigint AS bytes, sum(parts)::bigint AS objects
    FROM runs WHERE part_bytes > 0 GROUP BY variant ORDER BY variant
""")
EXPORTS = text("""
    SELECT format, count(*), sum(bytes)::bigint, sum(runs.masks)::bigint FROM exports JOIN runs ON runs.id = run_id
    WHERE bytes IS NOT NULL GROUP BY format ORDER BY format
""")


def table_sizes(engine: Engine) -> Mapping[str, Mapping[str, float]]:
    """Return rows, and bytes per row: of the rows, of the indexes, and in total with what is stored apart (TOAST)."""
    names = [table.name for table in Base.metadata.sorted_tables]
    found = {}
    with read_only(engine) as session:
        for name, heap, indexes, total in session.execute(SIZES, {"tables": names}):
            rows = session.execute(text(f'SELECT count(*) FROM "{name}"')).scalar_one()  # noqa: S608 - our own tables
            if rows:
                found[name] = {
                    "rows": rows,
                    "heap": round(heap / rows, 1),
                    "indexes": round(indexes / rows, 1),
                    "total": round(total / rows, 1),
                }
    return found


def measure(engine: Engine, storage_url: str, s3_endpoint_url: str | None) -> dict[str, Any]:
    tables = table_sizes(engine)
    counted = Comparison()
    missing = sum(1 for _ in missing_objects(engine, open_store(storage_url, s3_endpoint_url=s3_endpoint_url), counted))
    with read_only(engine) as session:
        parts = session.execute(PARTS).all()
        exports = session.execute(EXPORTS).all()
        database = session.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
    return {
        "database_bytes": database,
        "tables": tables,
        "objects": counted.named - missing,
        "object_bytes": counted.named_bytes,
        "parts": {
            run.variant: {
                "objects": run.objects,
                "results": run.results,
                "masks": run.masks,
                "bytes_per_result": round(run.bytes / run.results, 1),
                "bytes_per_mask": round(run.bytes / run.masks, 1) if run.masks else None,
            }
            for run in parts
        },
        "exports": {name: {"files": count, "bytes_per_mask": round(size / of, 1) if of else None}
                    for name, count, size, of in exports},
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.storage_bytes", description=__doc__)
    parser.add_argument("--settings", action="store_true", help="measure the installation that the settings name")
    parser.add_argument("--note", default="", help="what the installation has computed, for the result")
    options = parser.parse_args()
    settings = Settings()
    database_url, storage_url, pooling = settings.database_url, settings.storage_url, settings.database_pooling
    if not options.settings:
        info = running_stack(StackSettings().state_dir)
        if info is None:
            parser.error("no stack runs here; start one with `samfleet up`, or give --settings")
        database_url, storage_url, pooling = info.database_url, info.storage_url, Pooling.SESSION
    engine = connect(database_url, pooling=pooling)
    found = measure(engine, storage_url, settings.s3_endpoint_url)
    print(json.dumps({"circumstances": circumstances(options.note), **found}, indent=2))
    engine.dispose()


if __name__ == "__main__":
    main()
