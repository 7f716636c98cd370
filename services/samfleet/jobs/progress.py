"""Progress of runs and jobs: counters, rate and time left, cheap enough to query every second.

**Rate** is images per second of wall time. The clock of a run starts with the first claim of one of its shards. While
the run continues, the rate is (recorded + in progress) / (now - start), so it falls when nothing happens. Once every
image is recorded, or the run has ended or is paused, it is recorded / (last record - start). A job's clock runs from
the first claim to the last record of all its runs, because they share machines. The rate is unknown (None) until an
image is done. **Time left** is the number of images neither recorded nor in progress, divided by the rate; None after
the end, while paused and while failed images are retried.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import ColumnElement, ScalarSelect, func, select
from sqlalchemy.orm import Session

from samfleet.db.models import Run, RunState, Shard, ShardState
from samfleet.jobs.states import OPEN_SHARDS, is_final

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Progress:
    """Counters and times of a run or a job, by the database's clock.

    `in_progress` counts images that workers have finished and not yet recorded, `retrying` recorded failures that are
    computed again.
    """

    total: int
    succeeded: int
    failed: int
    in_progress: int
    ended: bool
    started: datetime | None
    last_record: datetime | None
    now: datetime
    paused: bool = False
    retrying: int = 0

    @property
    def recorded(self) -> int:
        return self.succeeded + self.failed

    @property
    def fraction(self) -> float:
        return min(1.0, (self.recorded - self.retrying + self.in_progress) / self.total) if self.total else 0.0

    @property
    def images_per_second(self) -> float | None:
        settled = self.ended or self.paused or self.recorded == self.total
        done = self.recorded if settled else self.recorded + self.in_progress
        until = self.last_record if settled else self.now
        if not done or self.started is None or until is None or until <= self.started:
            return None
        return done / (until - self.started).total_seconds()

    @property
    def eta_seconds(self) -> float | None:
        rate = self.images_per_second
        if self.ended or self.paused or self.retrying or rate is None:
            return None
        return max(0, self.total - self.recorded - self.in_progress) / rate


def progress_of_runs(session: Session, runs: Sequence[Run]) -> dict[uuid.UUID, Progress]:
    """Return the progress of these runs by id, from one query.

    Of each run's shards it reads those in flight and those that are retried; the first claim and the last record are
    the ends of an index.
    """
    recorded = Shard.part_key.is_not(None)
    claimed = func.coalesce(Shard.first_claimed_at, Shard.claimed_at)
    in_progress = _of_shards(func.sum(Shard.progress), Shard.state == ShardState.LEASED)
    retrying = _of_shards(func.sum(Shard.failed), recorded, Shard.state.in_(OPEN_SHARDS))
    query = select(
        Run.id.label("run_id"),
        func.coalesce(in_progress, 0).label("in_progress"),
        func.coalesce(retrying, 0).label("retrying"),
        _of_shards(func.min(claimed), Shard.claimed_at.is_not(None)).label("started"),
        _of_shards(func.max(Shard.finished_at), recorded).label("last_record"),
    ).where(Run.id.in_([run.id for run in runs]))
    rows = {row.run_id: row for row in session.execute(query)}
    now = session.execute(select(func.now())).scalar_one()
    found: dict[uuid.UUID, Progress] = {}
    for run in runs:
        row = rows.get(run.id)
        found[run.id] = Progress(
            total=run.total,
            succeeded=run.succeeded,
            failed=run.failed,
            in_progress=row.in_progress if row else 0,
            retrying=row.retrying if row else 0,
            ended=is_final(run.state),
            started=row.started if row else None,
            last_record=row.last_record if row else None,
            now=now,
            paused=run.state is RunState.PAUSED,
        )
    return found


def _of_shards(aggregate: ColumnElement[T], *conditions: ColumnElement[bool]) -> ScalarSelect[T]:
    return select(aggregate).where(Shard.run_id == Run.id, *conditions).correlate(Run).scalar_subquery()


def combine(parts: Iterable[Progress]) -> Progress:
    """Return the progress of a job from that of its runs; it has at least one."""
    runs = tuple(parts)
    return Progress(
        total=sum(run.total for run in runs),
        succeeded=sum(run.succeeded for run in runs),
        failed=sum(run.failed for run in runs),
        in_progress=sum(run.in_progress for run in runs),
        retrying=sum(run.retrying for run in runs),
        ended=all(run.ended for run in runs),
        started=min((run.started for run in runs if run.started), default=None),
        last_record=max((run.last_record for run in runs if run.last_record), default=None),
        now=max(run.now for run in runs),
        paused=any(run.paused for run in runs),
    )
