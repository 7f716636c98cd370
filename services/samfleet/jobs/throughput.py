"""Throughput of a job: images recorded per run in equal intervals from the first claim on.

The last interval ends at the last record, or now while the job runs, so that a pause shows as zero. The query counts
shards, of which there is one for dozens of images; a shard's images are recorded all at once.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from samfleet.db.models import Run, Shard
from samfleet.jobs.progress import Progress, combine, progress_of_runs

SHORTEST = timedelta(milliseconds=1)  # shortest interval: a job may end within one tick of the clock


@dataclass(frozen=True, slots=True)
class Point:
    """Images recorded in the interval that starts at `at`; `images` includes the failures."""

    at: datetime
    images: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Throughput:
    """Points by run: all runs have the same number and the same times, and none before the first claim.

    `stretch` is the length of an interval.
    """

    started: datetime | None
    stretch: timedelta
    points: Mapping[uuid.UUID, Sequence[Point]]


def throughput_of_runs(session: Session, runs: Sequence[Run], points: int) -> Throughput:
    """Return the throughput of `runs`, all runs of one job, in `points` intervals."""
    overall = combine(progress_of_runs(session, runs).values())
    if overall.started is None:
        return Throughput(None, timedelta(0), {run.id: () for run in runs})
    stretch = max((_end(overall) - overall.started) / points, SHORTEST)
    counted = _recorded(session, runs, overall.started, stretch, points)
    begins = [overall.started + index * stretch for index in range(points)]
    found = {
        run.id: [Point(at, *counted.get((run.id, index), (0, 0))) for index, at in enumerate(begins)] for run in runs
    }
    return Throughput(overall.started, stretch, found)


def _end(overall: Progress) -> datetime:
    settled = overall.ended or overall.recorded == overall.total
    return (overall.last_record or overall.started or overall.now) if settled else overall.now


def _recorded(
    session: Session, runs: Sequence[Run], started: datetime, stretch: timedelta, points: int
) -> dict[tuple[uuid.UUID, int], tuple[int, int]]:
    """Return (images, failures) by run and number of the interval.

    The record at the very end counts in the last interval; a record before the start, after a clock was set back,
    counts in the first.
    """
    seconds = func.extract("epoch", Shard.finished_at - started)
    index = func.greatest(0, func.least(func.floor(seconds / stretch.total_seconds()), points - 1)).label("stretch")
    images = func.sum(Shard.last_position - Shard.first_position + 1)
    query = (
        select(Shard.run_id, index, images.label("images"), func.sum(Shard.failed).label("failures"))
        .where(Shard.run_id.in_([run.id for run in runs]), Shard.part_key.is_not(None))
        .group_by(Shard.run_id, index)
    )
    return {(row.run_id, int(row.stretch)): (row.images, row.failures) for row in session.execute(query)}
