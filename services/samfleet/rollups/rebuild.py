"""Rebuild of a run's rollups from its image results, all of them or none.

Recording keeps rollups up to date. A rebuild is for results that are older than the rollups, for results that are
replaced (a retry of failed images), and to check one against the other.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from typing import Any

from sqlalchemy import ARRAY, CTE, Float, Select, Text, case, delete, func, literal, select
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.orm import Session

from samfleet.db.models import ImageResult, Job, Outcome, ReportSeries, Run, Shard
from samfleet.rollups.measures import (
    STAGE_SQL,
    batch_class_sql,
    bucket_sql,
    claimed_sql,
    hour_sql,
    image_ms_sql,
    memory_bytes_sql,
    model_ms_sql,
)
from samfleet.rollups.store import merge
from samfleet.rollups.tally import Cell, Tally
from samfleet.wire.stages import IMAGE, MODEL

MACHINE = (ImageResult.hardware_id, ImageResult.checkpoint_sha256)


def rebuild_run(session: Session, run_id: uuid.UUID) -> int:
    """Replace the rollups of a run; return how many there are, 0 if the run does not exist.

    Locks the run, so that nothing is recorded meanwhile.
    """
    run = session.scalars(select(Run).where(Run.id == run_id).with_for_update(key_share=True)).one_or_none()
    if run is None:
        return 0
    session.execute(delete(ReportSeries).where(ReportSeries.run_id == run_id))
    tallies = count_run(session, run_id)
    merge(session, session.get_one(Job, run.job_id), run, tallies)
    return len(tallies)


def count_run(session: Session, run_id: uuid.UUID) -> dict[Cell, Tally]:
    """Count the results of a run in PostgreSQL."""
    tallies: dict[Cell, Tally] = defaultdict(Tally)
    images = _images(run_id)
    for row in session.execute(_times(images)):
        entry = tallies[Cell(*row[:6])]
        entry.n += row.n
        entry.sum_ms += row.sum_ms
        if row.bucket is not None:
            entry.counts[row.bucket] += row.n
    for row in session.execute(_facts(images)):
        cell = Cell(row.hardware_id, row.checkpoint_sha256, IMAGE, row.hour, row.batch_class, row.warmup)
        tallies[cell].merge(
            Tally(
                failures=row.failures,
                started_at=row.started_at,
                ended_at=row.ended_at,
                instances=row.instances,
                iou_sum=row.iou_sum,
                energy_j=row.energy_j,
                energy_images=row.energy_images,
                load_sum=row.load_sum,
                load_images=row.load_images,
                peak_memory_bytes=row.peak_memory_bytes,
                memory_images=row.memory_images,
            )
        )
        if row.failures and row.error_stage in STAGE_SQL:
            tallies[cell._replace(stage=row.error_stage)].failures += row.failures
    return dict(tallies)


def _images(run_id: uuid.UUID) -> CTE:
    """Select the run's images. One that failed before it reached a machine counts for the machine of its shard."""
    mates: dict[str, Any] = {
        "partition_by": ImageResult.shard_id,
        "order_by": (ImageResult.hardware_id.is_(None), ImageResult.image_id),
    }
    here = ImageResult.hardware_id.is_not(None)
    of_mate = {column: func.first_value(column).over(**mates) for column in MACHINE}
    return (
        select(
            *(case((here, column), else_=of_mate[column]).label(column.key) for column in MACHINE),
            hour_sql().label("hour"),
            batch_class_sql().label("batch_class"),
            func.coalesce(ImageResult.warmup, False).label("warmup"),
            (ImageResult.outcome == Outcome.SUCCEEDED).label("succeeded"),
            ImageResult.error_stage,
            claimed_sql().label("claimed_at"),
            ImageResult.created_at,
            ImageResult.quality_instances,
            ImageResult.quality_iou_sum,
            ImageResult.energy_j,
            ImageResult.other_load,
            memory_bytes_sql().label("memory_bytes"),
            array([*STAGE_SQL.values(), model_ms_sql(), image_ms_sql()]).label("times"),
        )
        .join(Shard, Shard.id == ImageResult.shard_id)
        .where(ImageResult.run_id == run_id, ImageResult.reused_from.is_(None))
        .cte("images")
    )


def _times(images: CTE) -> Select[Any]:
    names = func.unnest(literal([*STAGE_SQL, MODEL, IMAGE], ARRAY(Text)))
    c = images.c
    spread = (
        select(
            c.hardware_id,
            c.checkpoint_sha256,
            names.label("stage"),
            c.hour,
            c.batch_class,
            c.warmup,
            func.unnest(c.times, type_=Float).label("ms"),
        )
        .where(c.succeeded)
        .subquery()
    )
    keys = [spread.c[name] for name in ("hardware_id", "checkpoint_sha256", "stage", "hour", "batch_class", "warmup")]
    bucket = bucket_sql(spread.c.ms).label("bucket")
    return (
        select(*keys, bucket, func.count().label("n"), func.sum(spread.c.ms).label("sum_ms"))
        .where(spread.c.ms.is_not(None))
        .group_by(*keys, bucket)
    )


def _facts(images: CTE) -> Select[Any]:
    """Select the counts that cover images of any outcome."""
    c = images.c
    keys = [c.hardware_id, c.checkpoint_sha256, c.hour, c.batch_class, c.warmup]
    return select(
        *keys,
        c.error_stage,
        func.count().filter(~c.succeeded).label("failures"),
        func.min(c.claimed_at).label("started_at"),
        func.max(c.created_at).label("ended_at"),
        func.coalesce(func.sum(c.quality_instances), 0).label("instances"),
        func.coalesce(func.sum(c.quality_iou_sum), 0.0).label("iou_sum"),
        func.coalesce(func.sum(c.energy_j), 0.0).label("energy_j"),
        func.count(c.energy_j).filter(c.succeeded).label("energy_images"),
        func.coalesce(func.sum(c.other_load), 0.0).label("load_sum"),
        func.count(c.other_load).label("load_images"),
        func.max(c.memory_bytes).label("peak_memory_bytes"),
        func.count(c.memory_bytes).label("memory_images"),
    ).group_by(*keys, c.error_stage)
