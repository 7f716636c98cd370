"""The log of a job: lines for its tenant about what the service did and met.

A line is written in the transaction that does what it says, which holds the row lock of the job.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from samfleet.db.models import JobLogLine, JobState, LogLevel, Run

STATE = "state"
CHANGED = "changed"
SHARD_RECORDED = "shard_recorded"
SHARD_HANDED_BACK = "shard_handed_back"
IMAGES_FAILED = "images_failed"
WORK_GOES_ON = "work_goes_on"
MODEL_LOADING = "model_loading"
MODEL_LOADED = "model_loaded"
FILES_NAMED = 3

_LEVELS: Mapping[str, LogLevel] = {
    JobState.FAILED.value: LogLevel.ERROR,
    JobState.COMPLETED_WITH_ERRORS.value: LogLevel.WARNING,
}


def add_line(
    session: Session, run: Run, code: str, message: str, *, level: LogLevel = LogLevel.INFO, shard: int | None = None
) -> None:
    """Append a line about a run whose job is locked."""
    line = JobLogLine(job_id=run.job_id, run_id=run.id, code=code, message=message, shard=shard)
    line.level = level
    session.add(line)


def add_state_line(
    session: Session, job_id: uuid.UUID, run_id: uuid.UUID | None, before: str | None, after: str, detail: str | None
) -> None:
    """Append a line about a change of a locked job or of one of its runs; equal states are a change of fields."""
    same = before == after
    words = "" if same else after if before is None else f"{before} → {after}"
    message = ": ".join(part for part in (words.replace("_", " "), detail) if part)
    line = JobLogLine(job_id=job_id, run_id=run_id, code=CHANGED if same else STATE, message=message)
    line.level = LogLevel.INFO if same else _LEVELS.get(after, LogLevel.INFO)
    session.add(line)


def add_recorded_line(
    session: Session, run: Run, shard: int, *, images: int, masks: int, reused: int, worker: str, seconds: float
) -> None:
    """Append what a shard brought; `seconds` is the time since `worker` claimed it."""
    taken = f", {reused} of them from earlier runs" if reused else ""
    noun = "image" if images == 1 else "images"
    message = f"{images} {noun}{taken}, with {masks} new masks, recorded {seconds:.1f} s after {worker} claimed them"
    add_line(session, run, SHARD_RECORDED, message, shard=shard)


def add_failures(session: Session, run: Run, shard: int, failed: Mapping[str, Sequence[str]]) -> None:
    """Append a line for each error code; `failed` has the names of the files by code."""
    for code, files in sorted(failed.items()):
        more = f" and {len(files) - FILES_NAMED} more" if len(files) > FILES_NAMED else ""
        noun = "image" if len(files) == 1 else "images"
        message = f"{len(files)} {noun} failed with {code}: {', '.join(files[:FILES_NAMED])}{more}"
        add_line(session, run, IMAGES_FAILED, message, level=LogLevel.WARNING, shard=shard)
