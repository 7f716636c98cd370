"""Limits on failures of tasks that the sweeper would otherwise retry endlessly: listing, planning and finishing.

Only unexpected errors count. Transient ones do not, however long they last: a database or a store that does not
respond.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from sqlalchemy import Engine, select
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from samfleet.db.models import Dataset, DatasetState, JobState, Run, RunState
from samfleet.db.session import transaction
from samfleet.errors import SamfleetError
from samfleet.jobs.settle import fail_run
from samfleet.jobs.stall import Reason, stall
from samfleet.jobs.states import lock_job, lock_run

MOST_FAILURES = 10  # half a minute apart, which leaves some minutes to roll back a deployment
DATABASE_AWAY = (OperationalError, InterfaceError, PoolTimeoutError)
PLANNING_FAILED = "planning_failed"
FINISHING_FAILED = "finishing_failed"
LISTING_FAILED = "listing_failed"


@contextmanager
def bounded_listing(engine: Engine, dataset_id: uuid.UUID) -> Iterator[None]:
    """Count the errors of listing and re-raise them; the last one allowed fails the dataset."""
    with _counting(engine, partial(_count_listing, dataset_id=dataset_id)):
        yield


@contextmanager
def bounded_planning(engine: Engine, job_id: uuid.UUID) -> Iterator[None]:
    """Count the errors of planning and re-raise them; the last one allowed fails the job's runs and so the job."""
    with _counting(engine, partial(_count_plan, job_id=job_id)):
        yield


@contextmanager
def bounded_finishing(engine: Engine, run_id: uuid.UUID) -> Iterator[None]:
    """Count the errors of finishing and re-raise them; the last one allowed fails the run. Parts and results stay."""
    with _counting(engine, partial(_count_finish, run_id=run_id)):
        yield


@contextmanager
def _counting(engine: Engine, count: Callable[[Session, Exception], None]) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if not isinstance(error, DATABASE_AWAY):
            with transaction(engine) as session:
                count(session, error)
        raise


def _is_transient(error: Exception) -> bool:
    return isinstance(error, SamfleetError) and error.retryable


def _count_listing(session: Session, error: Exception, dataset_id: uuid.UUID) -> None:
    dataset = session.get(Dataset, dataset_id, with_for_update=True)
    if dataset is None or dataset.state is not DatasetState.LISTING:
        return
    reason = Reason.of(error)
    dataset.error_code, dataset.error_message = reason.code, reason.message
    dataset.listing_failures += 0 if _is_transient(error) else 1
    if dataset.listing_failures >= MOST_FAILURES:
        dataset.state, dataset.image_count = DatasetState.FAILED, 0
        dataset.error_code, dataset.error_message = LISTING_FAILED, f"listing {_last_failure(error)}"


def _count_plan(session: Session, error: Exception, job_id: uuid.UUID) -> None:
    job = lock_job(session, job_id)
    if job is None or job.state is not JobState.QUEUED:
        return
    job.plan_failures += 0 if _is_transient(error) else 1
    runs = select(Run).where(Run.job_id == job_id).order_by(Run.id).with_for_update(key_share=True)
    for run in session.scalars(runs).all():
        stall(session, run, Reason.of(error))
        if job.plan_failures >= MOST_FAILURES:
            fail_run(session, job, run, PLANNING_FAILED, f"planning {_last_failure(error)}")


def _count_finish(session: Session, error: Exception, run_id: uuid.UUID) -> None:
    locked = lock_run(session, run_id)
    if locked is None or locked.run.state is not RunState.FINISHING:
        return
    stall(session, locked.run, Reason.of(error))
    locked.run.finish_failures += 0 if _is_transient(error) else 1
    if locked.run.finish_failures >= MOST_FAILURES:
        message = f"finishing {_last_failure(error)}; its image results stay"
        fail_run(session, locked.job, locked.run, FINISHING_FAILED, message)


def _last_failure(error: Exception) -> str:
    return f"failed {MOST_FAILURES} times; the last time: {Reason.of(error).message}"
