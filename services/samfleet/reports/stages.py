"""Stage times of a run's images, with exact percentiles from PostgreSQL."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Float, Select, Text, func, literal, select, true
from sqlalchemy.dialects.postgresql import ARRAY, array
from sqlalchemy.orm import Session

from samfleet.db.models import ImageResult, Outcome
from samfleet.rollups.measures import STAGE_SQL

PERCENTILES = (0.5, 0.9, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class StageStatistics:
    """Milliseconds per image; for a stage that ran per batch, the image's share. `n` images went through the stage."""

    n: int
    mean_ms: float
    p50_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float


def stage_statistics(
    session: Session, run_id: uuid.UUID, *, include_warmup: bool = False
) -> dict[str, StageStatistics]:
    """Return statistics by stage over the images that succeeded; stages that no image went through are left out.

    Warm-up images (the first executions after a model was loaded) count only with `include_warmup`.
    """
    found: dict[str, StageStatistics] = {}
    for row in session.execute(_query(run_id, include_warmup=include_warmup)):
        if row.n:
            found[row.stage] = StageStatistics(row.n, row.mean, *row.percentiles)
    return {name: found[name] for name in STAGE_SQL if name in found}


def _query(run_id: uuid.UUID, *, include_warmup: bool) -> Select[Any]:
    """Select the statistics in one pass: every result is unnested into one row per stage."""
    wanted = true() if include_warmup else ImageResult.warmup.is_not(true())
    names = func.unnest(literal(list(STAGE_SQL), ARRAY(Text)))
    spread = (
        select(names.label("stage"), func.unnest(array(STAGE_SQL.values())).label("ms"))
        .where(ImageResult.run_id == run_id, ImageResult.outcome == Outcome.SUCCEEDED, wanted)
        .subquery()
    )
    percentiles = func.percentile_cont(literal(list(PERCENTILES), ARRAY(Float))).within_group(spread.c.ms)
    return select(
        spread.c.stage,
        func.count(spread.c.ms).label("n"),
        func.avg(spread.c.ms).label("mean"),
        percentiles.label("percentiles"),
    ).group_by(spread.c.stage)
