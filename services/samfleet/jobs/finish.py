from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Engine, func, select, update
from sqlalchemy.orm import Session

from samfleet.db.models import Job, Run, RunState
from samfleet.db.session import transaction
from samfleet.errors import SamfleetError
from samfleet.jobs.coco_files import check_rows
from samfleet.jobs.evaluate import Evaluated, EvaluationFailed, evaluate_recorded
from samfleet.jobs.export import recorded_parts
from samfleet.jobs.parts import read_parts
from samfleet.jobs.settle import end_run, fail_run, settle_job
from samfleet.jobs.states import lock_run
from samfleet.quality.repository import replace_figures
from samfleet.storage.store import ObjectStore

T = TypeVar("T")

MOST_EVALUATIONS = 5  # started but not ended; more mean that the evaluation kills workers by running out of memory
SIGN_OF_LIFE_SECONDS = 10.0  # well below the sweeper's `resend_after`


@dataclass(frozen=True, slots=True)
class FinishingRun:
    """A run to finish; `parts` are keys in the order of the dataset, `task` has the variant's defaults filled in."""

    run_id: uuid.UUID
    dataset_id: uuid.UUID
    task: Mapping[str, Any]
    evaluate: bool
    parts: Sequence[str]


def finish_run(engine: Engine, store: ObjectStore, run_id: uuid.UUID) -> None:
    """Check the parts of a run whose images are all recorded, evaluate it if its job requests that, and complete it.

    After a crash it starts over; of two concurrent calls, one completes the run. Retryable errors are raised and leave
    the run unchanged. A damaged or missing part fails the run. If the evaluation fails, the run completes and says why
    it has no figures.
    """
    with transaction(engine) as session:
        finishing = _read(session, run_id)
    if finishing is None:
        return
    failure: SamfleetError | None = None
    evaluated = Evaluated()
    try:
        check_rows(_watched(engine, run_id, read_parts(store, finishing.parts)))
    except SamfleetError as error:
        if error.retryable:
            raise
        failure = error
    else:
        if finishing.evaluate:
            evaluated = _evaluate(engine, store, finishing)
    with transaction(engine) as session:
        _complete(session, run_id, evaluated, failure)


def _evaluate(engine: Engine, store: ObjectStore, finishing: FinishingRun) -> Evaluated:
    begin = update(Run).where(Run.id == finishing.run_id).values(evaluations_begun=Run.evaluations_begun + 1)
    with transaction(engine) as session:
        begun = session.scalars(begin.returning(Run.evaluations_begun)).one_or_none()
    if begun is None:  # deleted meanwhile
        return Evaluated()
    if begun > MOST_EVALUATIONS:
        times = f"the worker that evaluated the run died {MOST_EVALUATIONS} times before the end"
        return Evaluated(error=EvaluationFailed(f"{times}; its results are complete"))
    rows = _watched(engine, finishing.run_id, read_parts(store, finishing.parts))
    return evaluate_recorded(engine, finishing.dataset_id, finishing.task, rows)


def _read(session: Session, run_id: uuid.UUID) -> FinishingRun | None:
    query = select(Run, Job).join(Job, Job.id == Run.job_id).where(Run.id == run_id, Run.state == RunState.FINISHING)
    found = session.execute(query).one_or_none()
    if found is None:
        return None
    run, job = found
    return FinishingRun(run_id, job.dataset_id, run.task, job.evaluate, recorded_parts(session, run_id))


def _watched(engine: Engine, run_id: uuid.UUID, items: Iterable[T]) -> Iterator[T]:
    """Yield the items; while they are read, update `sent_at` so that the sweeper does not take the task for lost."""
    signed = time.monotonic()
    for item in items:
        yield item
        if time.monotonic() - signed > SIGN_OF_LIFE_SECONDS:
            with transaction(engine) as session:
                session.execute(update(Run).where(Run.id == run_id).values(sent_at=func.now()))
            signed = time.monotonic()


def _complete(session: Session, run_id: uuid.UUID, evaluated: Evaluated, failure: SamfleetError | None) -> None:
    locked = lock_run(session, run_id)
    if locked is None or locked.run.state is not RunState.FINISHING:
        return
    if failure is not None:
        fail_run(session, locked.job, locked.run, failure.code, f"results cannot be read: {failure.message}")
        return
    replace_figures(session, run_id, evaluated.figures)
    if evaluated.error is not None:
        locked.run.quality_error_code = evaluated.error.code
        locked.run.quality_error_message = evaluated.error.message
    end_run(session, locked.run, RunState.COMPLETED)
    settle_job(session, locked.job)
