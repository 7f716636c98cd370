"""Stage times of a run's images: exact percentiles from the rows of a small run, sketches of a large one."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Float, Select, Text, func, literal, select, true
from sqlalchemy.dialects.postgresql import ARRAY, array
from sqlalchemy.orm import Session

from samfleet.db.models import ImageResult, Outcome, ReportSeries, Rollup, Run
from samfleet.rollups.histogram import unpack
from samfleet.rollups.measures import STAGE_SQL
from samfleet.rollups.sketch import percentiles

PERCENTILES = (0.5, 0.9, 0.95, 0.99)
EXACT_IMAGES = 5000  # succeeded; the rows of more take over 100 ms


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
    session: Session, run: Run, *, include_warmup: bool = False, exact_images: int = EXACT_IMAGES
) -> dict[str, StageStatistics]:
    """Return statistics by stage over the images that succeeded; stages that no image went through are left out.

    Warm-up images (the first executions after a model was loaded) count only with `include_warmup`. With more than
    `exact_images` succeeded images, percentiles come from the rollups and differ from the exact ones by at most
    `samfleet.rollups.sketch.RELATIVE_ERROR`; then images that a retry computes again count from the run's next end on.
    """
    read = _of_rows if run.succeeded <= exact_images else _of_rollups
    found = read(session, run.id, include_warmup=include_warmup)
    return {name: found[name] for name in STAGE_SQL if name in found}


def _of_rows(session: Session, run_id: uuid.UUID, *, include_warmup: bool) -> Mapping[str, StageStatistics]:
    rows = session.execute(_query_of_rows(run_id, include_warmup=include_warmup))
    return {row.stage: StageStatistics(row.n, row.mean, *row.percentiles) for row in rows if row.n}


def _query_of_rows(run_id: uuid.UUID, *, include_warmup: bool) -> Select[Any]:
    """Select the statistics in one pass: every result is unnested into one row per stage."""
    wanted = true() if include_warmup else ImageResult.warmup.is_not(true())
    names = func.unnest(literal(list(STAGE_SQL), ARRAY(Text)))
    spread = (
        select(names.label("stage"), func.unnest(array(STAGE_SQL.values())).label("ms"))
        .where(ImageResult.run_id == run_id, ImageResult.outcome == Outcome.SUCCEEDED, wanted)
        .subquery()
    )
    exact = func.percentile_cont(literal(list(PERCENTILES), ARRAY(Float))).within_group(spread.c.ms)
    return select(
        spread.c.stage,
        func.count(spread.c.ms).label("n"),
        func.avg(spread.c.ms).label("mean"),
        exact.label("percentiles"),
    ).group_by(spread.c.stage)


def _of_rollups(session: Session, run_id: uuid.UUID, *, include_warmup: bool) -> Mapping[str, StageStatistics]:
    rows = session.execute(_query_of_rollups(run_id, include_warmup=include_warmup)).all()
    histograms, first = unpack([row.histogram for row in rows])
    zeros = [int(row.n) for row in rows] - histograms.sum(axis=1)
    times = percentiles(histograms, first, zeros, PERCENTILES).tolist()
    return {
        row.stage: StageStatistics(int(row.n), row.sum_ms / int(row.n), *of_row)
        for row, of_row in zip(rows, times, strict=True)
    }


def _query_of_rollups(run_id: uuid.UUID, *, include_warmup: bool) -> Select[Any]:
    """Select the sums of the run's rollups by stage; a run has a few dozen for each hour."""
    wanted = true() if include_warmup else Rollup.warmup.is_(False)
    return (
        select(
            Rollup.stage,
            func.sum(Rollup.n).label("n"),
            func.sum(Rollup.sum_ms).label("sum_ms"),
            func.numeric_send(func.sum(Rollup.histogram)).label("histogram"),
        )
        .join(ReportSeries, ReportSeries.id == Rollup.series_id)
        .where(ReportSeries.run_id == run_id, Rollup.stage.in_(STAGE_SQL), Rollup.n > 0, wanted)
        .group_by(Rollup.stage)
    )
