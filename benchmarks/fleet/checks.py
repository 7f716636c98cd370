"""Images lost or doubled: by the rows of the database, and by the journal of records."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping

from sqlalchemy import Engine, text

from samfleet.db.session import transaction

# An image is lost if no done shard of its run has its position, and doubled if two have it.
POSITIONS = text("""
    WITH done AS (
        SELECT run_id, first_position, last_position,
               lag(last_position, 1, -1) OVER (PARTITION BY run_id ORDER BY index) AS before
        FROM shards WHERE state = 'done'
    ), covered AS (
        SELECT run_id, sum(last_position - first_position + 1) AS images,
               sum(greatest(0, before - first_position + 1)) AS doubled
        FROM done GROUP BY run_id
    )
    SELECT coalesce(sum(runs.total - coalesce(images, 0) + coalesce(doubled, 0)), 0) AS lost,
           coalesce(sum(doubled), 0) AS doubled,
           count(*) FILTER (WHERE runs.succeeded <> runs.total) AS miscounted,
           count(*) FILTER (WHERE runs.state <> 'completed') AS unfinished
    FROM runs LEFT JOIN covered ON covered.run_id = runs.id
""")


def check_images(engine: Engine, records: Mapping[tuple[uuid.UUID, int], int]) -> dict[str, int]:
    """Return the images lost and doubled, runs with wrong counters or without end, and shards not recorded once."""
    with transaction(engine) as session:
        found = session.execute(POSITIONS).one()
        shards = {tuple(row) for row in session.execute(text("SELECT run_id, index FROM shards"))}
    times = Counter(records)
    return {
        "images_lost": int(found.lost),
        "images_doubled": int(found.doubled),
        "runs_miscounted": found.miscounted,
        "runs_unfinished": found.unfinished,
        "shards_not_recorded_once": sum(times[shard] != 1 for shard in shards | set(times)),
    }
