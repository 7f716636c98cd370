"""Bytes in PostgreSQL of a recorded image."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session

from samfleet.estimates.figures import Figure

# A row of `image_results` and the image's share of a shard of 32, with their indexes (docs/operations.md).
DOCUMENTED_BYTES = 671 + 1508 / 32
LEAST_ROWS = 10_000  # with fewer, empty pages and the first index pages outweigh the rows

SIZES = text(
    "SELECT reltuples, pg_total_relation_size(oid) FROM pg_class WHERE oid IN ('image_results'::regclass, "
    "'shards'::regclass) ORDER BY relname"
)


def database_bytes(session: Session) -> Figure:
    """Return the bytes of an image in this database, or the documented ones while it has few rows.

    PostgreSQL's own count of rows is that of the last ANALYZE; space that deletions left counts too.
    """
    (rows, results), (_, shards) = session.execute(SIZES).all()
    if rows >= LEAST_ROWS:
        source = f"tables image_results and shards of this database, with about {int(rows):,} images"
        return Figure((results + shards) / rows, "measured", source)
    return Figure(DOCUMENTED_BYTES, "documented", "documented bytes per image; this database has few rows yet")
