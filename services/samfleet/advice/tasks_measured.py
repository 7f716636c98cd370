"""Measured tasks and datasets: which runs answer a question, and on which dataset their figures are compared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from samfleet.advice.question import Question, task_of
from samfleet.db.models import Dataset, ReportSeries, Rollup
from samfleet.errors import NotFound
from samfleet.reports.query import ReportQuery
from samfleet.reports.table import read_parameters
from samfleet.wire.stages import IMAGE

_MOST_SUGGESTIONS = 3


class DatasetUnknown(NotFound):
    """No dataset has this name, and no measurement was taken on one of this label."""

    code = "dataset_unknown"
    status_code = 422


@dataclass(frozen=True, slots=True)
class Scope:
    """The runs that answer a question: tasks by digest of parameters, and one dataset, None if nothing was measured.

    `why` explains the choice of the dataset.
    """

    tasks: Mapping[str, Mapping[str, Any]]
    dataset: str | None
    why: str


def choose_scope(session: Session, query: ReportQuery, question: Question) -> Scope:
    """Return the runs of the question's task on the dataset that it names, or on the one with the most annotated
    objects in such runs, images deciding among datasets without any. Raises `DatasetUnknown`.
    """
    rows = _measured(session, query)
    known = read_parameters(session, query.tenant_id, {row.parameters for row in rows})
    tasks = {
        digest: one["task"] for digest, one in known.items() if "task" in one and task_of(one["task"]) == question.task
    }
    counts: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for row in rows:
        if row.parameters in tasks:
            objects, images = counts[row.dataset]
            counts[row.dataset] = (objects + int(row.instances), images + int(row.n))
    if question.dataset is not None:
        _require_known(session, query, question.dataset, {row.dataset for row in rows})
        return Scope(tasks, question.dataset, "it was asked for")
    if not counts:
        return Scope(tasks, None, f"no run with the task {question.task} has been measured")
    best = min(counts, key=lambda name: (-counts[name][0], -counts[name][1], name))
    objects, images = counts[best]
    why = f"it has the most annotated objects in runs of this task, {objects}" if objects else f"it has {images} images"
    others = len(counts) - 1
    return Scope(
        tasks, best, f"{why}; {others} other dataset{'s were' if others > 1 else ' was'} left out" if others else why
    )


def _measured(session: Session, query: ReportQuery) -> Any:
    """Return dataset, digest of parameters, annotated objects and images of all series, warm-up included."""
    columns = (ReportSeries.dataset.label("dataset"), ReportSeries.parameters_sha256.label("parameters"))
    sums = (func.sum(Rollup.instances).label("instances"), func.sum(Rollup.n).label("n"))
    statement = query.select_series(*columns, *sums).join(Rollup, Rollup.series_id == ReportSeries.id)
    return session.execute(statement.where(Rollup.stage == IMAGE).group_by(*columns)).all()


def _require_known(session: Session, query: ReportQuery, wanted: str, measured: set[str]) -> None:
    """Raise `DatasetUnknown` for a name without measurements that no dataset of the tenant has."""
    if wanted in measured:
        return
    ours = select(Dataset.name).where(Dataset.tenant_id == query.tenant_id, Dataset.deleted_at.is_(None)).distinct()
    names = {*measured, *session.scalars(ours)}
    if wanted in names:
        return
    close = get_close_matches(wanted, sorted(names), _MOST_SUGGESTIONS)
    listed = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(sorted(names)) or 'none yet'}"
    raise DatasetUnknown(f"no dataset is called {wanted!r}; {listed}")
