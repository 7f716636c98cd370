"""Images of a shard: few enough to bound repeated work, enough to make the fixed cost of a shard small.

Claim, part file, record and rollups cost a shard some 30 ms of CPU, however many images it has. A fast variant needs
hundreds of images to make that small, and a slow one should not repeat minutes of work after a lost worker.
"""

from __future__ import annotations

from datetime import timedelta
from math import ceil

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from samfleet.db.models import Run, Shard

USUAL_IMAGES = 32  # at most, for a variant whose speed is unknown
LEAST_IMAGES = 4  # of a small dataset; a smaller shard is mostly overhead
LEAST_SHARDS = 8  # enough to use several workers and to show progress
MEASURED_SHARDS = 64


def choose_shard_size(images: int, most: int, in_time: int | None = None) -> int:
    """Return the shard size for a number of images, at most `most` and at most `in_time`.

    `in_time` is the number of images that take the time of a shard, None if unknown. A small dataset gets smaller
    shards: 60 images in two shards would use two workers and show progress twice.
    """
    return min(most, in_time or USUAL_IMAGES, max(LEAST_IMAGES, ceil(images / LEAST_SHARDS)))


def images_in_time(session: Session, run: Run, shard_time: timedelta) -> int | None:
    """Return the images of a shard that takes `shard_time`, at least 1, by the last run that was alike.

    That is the last finished run of the same variant, pool and task that computed all its images. None without one.
    """
    alike = (
        select(Run.id)
        .where(Run.variant == run.variant, Run.pool == run.pool, Run.task == run.task)
        .where(Run.finished_at.is_not(None), Run.succeeded > 0, Run.reused == 0)
        .order_by(Run.finished_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    claimed = func.coalesce(Shard.first_claimed_at, Shard.claimed_at)
    seconds, images = session.execute(
        select(
            func.sum(func.extract("epoch", Shard.finished_at - claimed)),
            func.sum(Shard.last_position - Shard.first_position + 1),
        ).where(Shard.run_id == alike, Shard.index < MEASURED_SHARDS, Shard.finished_at > claimed)
    ).one()
    return max(1, int(shard_time.total_seconds() * images / float(seconds))) if seconds else None
