"""Requests for comparisons. Equal requests on the same results share one comparison."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from sqlalchemy import func, or_, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from samfleet.comparisons.errors import ComparisonNotFound, RunsNotComparable, TooManyComparisons
from samfleet.db.models import Comparison, ComparisonState, Dataset, Job, Run
from samfleet.exports.errors import RunNotEnded
from samfleet.jobs.export import RunNotFound
from samfleet.jobs.queue import TaskName, TaskQueue, wake_after_commit
from samfleet.jobs.states import is_final
from samfleet.logging import correlation_id

MOST_COMPARISONS = 100  # of a run, failed ones included


def request_comparison(
    session: Session, queue: TaskQueue, tenant_id: uuid.UUID, run_a_id: uuid.UUID, run_b_id: uuid.UUID
) -> tuple[Comparison, bool]:
    """Write the comparison and wake a worker after the commit. Returns the comparison, and True if it is new.

    An equal request returns the comparison of the first one. After a failure, or after a retry of a run, it makes
    another. Raises `RunNotFound`, `RunsNotComparable`, `RunNotEnded` and `TooManyComparisons`.
    """
    runs = _locked_runs(session, tenant_id, [run_a_id, run_b_id])
    run_a, run_b = (runs[run_id] for run_id in (run_a_id, run_b_id))
    require_comparable(session, run_a, run_b)
    for run in (run_a, run_b):
        if not is_final(run.state):
            raise RunNotEnded(f"run {run.id} is {run.state.value}; compare it when it has ended")
    known = _find(session, run_a, run_b)
    if known is None:
        _require_place(session, run_a, run_b)
        made = _insert(session, tenant_id, run_a, run_b)
        if made is not None:
            wake_after_commit(session, queue, TaskName.COMPARE, str(made.id), correlation=made.correlation_id)
            return made, True
        known = _find(session, run_a, run_b)  # another request committed it meanwhile
    if known is None:
        raise ComparisonNotFound("the comparison of an equal request was just deleted; send the request again")
    return known, False


def require_comparable(session: Session, run_a: Run, run_b: Run) -> None:
    """Raise `RunsNotComparable` unless these are two runs over the same images.

    Two datasets with the same content are the same images, as in reports: each has the same names, ids and order.
    """
    if run_a.id == run_b.id:
        raise RunsNotComparable(f"run {run_a.id} cannot be compared with itself; name two runs")
    query = select(Job.id, Dataset.id, Dataset.name, Dataset.content_sha256).join(Dataset, Dataset.id == Job.dataset_id)
    found = {row[0]: row for row in session.execute(query.where(Job.id.in_([run_a.job_id, run_b.job_id])))}
    (_, id_a, name_a, hash_a), (_, id_b, name_b, hash_b) = found[run_a.job_id], found[run_b.job_id]
    if id_a != id_b and (hash_a is None or hash_a != hash_b):
        raise RunsNotComparable(
            f"run {run_a.id} segmented the dataset {name_a!r} ({id_a}) and run {run_b.id} {name_b!r} ({id_b}), which "
            "have different contents; compare two runs over the same images"
        )


def _locked_runs(session: Session, tenant_id: uuid.UUID, run_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Run]:
    """Return the runs, locked against their deletion. A retry that starts now makes the worker refuse them."""
    query = select(Run).join(Job, Job.id == Run.job_id).where(Run.id.in_(run_ids), Job.tenant_id == tenant_id)
    shared = query.where(Job.deleted_at.is_(None)).order_by(Run.id).with_for_update(read=True, key_share=True, of=Run)
    runs = {run.id: run for run in session.scalars(shared)}
    for run_id in run_ids:
        if run_id not in runs:
            raise RunNotFound(f"run {run_id} does not exist; GET /v1/jobs/<id> names a job's runs")
    return runs


def _find(session: Session, run_a: Run, run_b: Run) -> Comparison | None:
    same = (
        Comparison.run_a_id == run_a.id,
        Comparison.run_b_id == run_b.id,
        Comparison.retries_a == run_a.retries,
        Comparison.retries_b == run_b.retries,
        Comparison.state != ComparisonState.FAILED,
    )
    return session.scalars(select(Comparison).where(*same).with_for_update(key_share=True)).one_or_none()


def _require_place(session: Session, *runs: Run) -> None:
    for run in runs:
        of_run = or_(Comparison.run_a_id == run.id, Comparison.run_b_id == run.id)
        if (session.scalar(select(func.count()).select_from(Comparison).where(of_run)) or 0) >= MOST_COMPARISONS:
            raise TooManyComparisons(
                f"run {run.id} is in {MOST_COMPARISONS} comparisons; DELETE /v1/comparisons/<id> removes one"
            )


def _insert(session: Session, tenant_id: uuid.UUID, run_a: Run, run_b: Run) -> Comparison | None:
    """Insert the comparison; None if an equal request has committed one."""
    values = {
        "id": uuid.uuid4(),
        "tenant_id": tenant_id,
        "run_a_id": run_a.id,
        "run_b_id": run_b.id,
        "retries_a": run_a.retries,
        "retries_b": run_b.retries,
        "state": ComparisonState.QUEUED,
        "total": run_a.total,
        "correlation_id": correlation_id(),
    }
    statement = insert(Comparison).values(values).on_conflict_do_nothing(
        index_elements=["run_a_id", "run_b_id", "retries_a", "retries_b"], index_where=text("state <> 'failed'")
    )  # fmt: skip
    return session.scalars(statement.returning(Comparison)).one_or_none()
