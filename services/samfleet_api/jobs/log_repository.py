from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from samfleet.db.models import Job, JobLogLine, LogLevel, Run


class ListedLine(NamedTuple):
    """A line, with the variant and pool of its run."""

    line: JobLogLine
    variant: str | None
    pool: str | None


def newest_lines(
    session: Session, job_id: uuid.UUID, *, level: LogLevel, before: int | None, limit: int
) -> Sequence[ListedLine]:
    """Return lines of at least this level, newest first. `before` is the id of the last line seen."""
    query = _lines(job_id, level)
    if before is not None:
        query = query.where(JobLogLine.id < before)
    rows = session.execute(query.order_by(JobLogLine.id.desc()).limit(limit))
    return [ListedLine(*row) for row in rows]


def lines_after(
    session: Session, job_id: uuid.UUID, *, level: LogLevel, after: int, limit: int
) -> Sequence[ListedLine]:
    """Return lines of at least this level, oldest first. `after` is the id of the last line seen."""
    query = _lines(job_id, level).where(JobLogLine.id > after)
    return [ListedLine(*row) for row in session.execute(query.order_by(JobLogLine.id).limit(limit))]


def newest_ids(session: Session, job_ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, int]:
    """Return the id of each job's newest line, 0 for a job without any; one look-up in the index per job."""
    newest = select(func.max(JobLogLine.id)).where(JobLogLine.job_id == Job.id).scalar_subquery()
    return {row[0]: row[1] or 0 for row in session.execute(select(Job.id, newest).where(Job.id.in_(job_ids)))}


def _lines(job_id: uuid.UUID, level: LogLevel) -> Select[JobLogLine, str, str]:
    query = select(JobLogLine, Run.variant, Run.pool).outerjoin(Run, Run.id == JobLogLine.run_id)
    query = query.where(JobLogLine.job_id == job_id)
    if level is LogLevel.WARNING:
        query = query.where(JobLogLine.level != LogLevel.INFO)
    elif level is LogLevel.ERROR:  # the first condition is that of the index
        query = query.where(JobLogLine.level != LogLevel.INFO, JobLogLine.level == LogLevel.ERROR)
    return query
