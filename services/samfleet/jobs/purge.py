"""Removal of the rows and objects of deleted jobs and datasets.

PostgreSQL has the list of deletions, so a removal that was interrupted starts over; repeating it does no harm. Objects
are removed before rows, because rows refer to the objects that remain. Rows are removed in batches, one transaction
each, and the job or dataset itself last.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine, delete, exists, func, insert, literal_column, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session, aliased

from samfleet.datasets.contents import drop_uses
from samfleet.db.models import (
    Base,
    ComparedImage,
    Comparison,
    Dataset,
    DatasetAnnotation,
    DatasetDetection,
    DatasetImage,
    DatasetPrompts,
    DatasetSource,
    Export,
    ImageResult,
    ImageReview,
    Job,
    JobLogLine,
    MaskReview,
    RemovedPrefix,
    ReportSeries,
    ReviewChange,
    Run,
    RunPicture,
    RunQuality,
    SeriesQuality,
)
from samfleet.db.session import transaction
from samfleet.jobs.parts import run_prefix
from samfleet.storage.store import ObjectStore

CONTENTS_AT_ONCE = 1000  # their objects are deleted one by one
ROWS_AT_ONCE = 10_000  # about 0.1 s, so that others do not wait long for a lock
FIGURE = ("metric", "area", "max_detections", "value", "instances", "replicates")


class OutOfTime(Exception):
    """The pass has reached its deadline."""


def dataset_prefix(dataset_id: uuid.UUID) -> str:
    return f"datasets/{dataset_id}/"


def deleted_jobs(session: Session) -> Sequence[uuid.UUID]:
    return session.scalars(select(Job.id).where(Job.deleted_at.is_not(None)).order_by(Job.deleted_at)).all()


def deleted_datasets(session: Session) -> Sequence[uuid.UUID]:
    """Return the deleted datasets that may be removed.

    The others wait until their jobs, also deleted, are removed, and those with stored images until the later versions
    are, which may have the same images.
    """
    used = exists().where(Job.dataset_id == Dataset.id)
    later = aliased(Dataset)
    in_series = later.series_id == func.coalesce(Dataset.series_id, Dataset.id)
    stored = Dataset.source.in_((DatasetSource.UPLOAD, DatasetSource.ARCHIVE))
    shared = stored & exists().where(in_series, later.version > Dataset.version)
    query = select(Dataset.id).where(Dataset.deleted_at.is_not(None), ~used, ~shared)
    return session.scalars(query.order_by(Dataset.deleted_at)).all()


def remove_job(engine: Engine, store: ObjectStore, job_id: uuid.UUID, *, grace: timedelta, deadline: float) -> None:
    """Remove a job's rows and objects. Raises `OutOfTime` at `deadline` (by `time.monotonic`), partly removed."""
    with transaction(engine) as session:
        run_ids = session.scalars(select(Run.id).where(Run.job_id == job_id)).all()
    for run_id in run_ids:
        store.delete_prefix(run_prefix(run_id))
        with transaction(engine) as session:
            session.execute(delete(RunPicture).where(RunPicture.run_id == run_id))
            session.execute(delete(Export).where(Export.run_id == run_id))
            session.execute(update(Run).where(Run.id == run_id).values(parts=0, part_bytes=0))
        _check(deadline)
        for table in (ReviewChange, MaskReview, ImageReview, ImageResult):
            delete_rows(engine, table, table.run_id == run_id, deadline)
        _remove_comparisons(engine, run_id, deadline)
    delete_rows(engine, JobLogLine, JobLogLine.job_id == job_id, deadline)
    with transaction(engine) as session:
        _keep_figures(session, run_ids)
        _remove_again(session, [run_prefix(run_id) for run_id in run_ids], grace)
        session.execute(delete(Job).where(Job.id == job_id))


def _remove_comparisons(engine: Engine, run_id: uuid.UUID, deadline: float) -> None:
    """Remove the comparisons that a run is in, also those with runs of other jobs."""
    of_run = (Comparison.run_a_id == run_id) | (Comparison.run_b_id == run_id)
    delete_rows(engine, ComparedImage, ComparedImage.comparison_id.in_(select(Comparison.id).where(of_run)), deadline)
    with transaction(engine) as session:
        session.execute(delete(Comparison).where(of_run))


def remove_dataset(
    engine: Engine, store: ObjectStore, dataset_id: uuid.UUID, *, grace: timedelta, deadline: float
) -> None:
    """Remove a dataset's rows and objects, like `remove_job`."""
    store.delete_prefix(dataset_prefix(dataset_id))
    with transaction(engine) as session:
        counters = ("stored_bytes", "stored_objects", "content_bytes", "content_objects")
        session.execute(update(Dataset).where(Dataset.id == dataset_id).values(dict.fromkeys(counters, 0)))
    _check(deadline)
    _drop_contents(engine, store, dataset_id, deadline)
    for table in (DatasetAnnotation, DatasetDetection, DatasetPrompts, DatasetImage):
        delete_rows(engine, table, table.dataset_id == dataset_id, deadline)
    with transaction(engine) as session:
        _remove_again(session, [dataset_prefix(dataset_id)], grace)
        session.execute(delete(Dataset).where(Dataset.id == dataset_id))


def _drop_contents(engine: Engine, store: ObjectStore, dataset_id: uuid.UUID, deadline: float) -> None:
    """Delete the uploaded images that no other dataset uses.

    Unlike other objects they go after their rows, so that nobody can begin to use one that is about to go. If this
    process dies in between, the walk over all objects finds them (`samfleet.jobs.orphans`).
    """
    while True:
        with transaction(engine) as session:
            count, keys = drop_uses(session, dataset_id, CONTENTS_AT_ONCE)
        for key in keys:
            store.delete(key)
        if count < CONTENTS_AT_ONCE:
            return
        _check(deadline)


def remove_again(engine: Engine, store: ObjectStore, limit: int) -> int:
    """Empty up to `limit` due prefixes of objects written since their removal; return their number."""
    query = select(RemovedPrefix.prefix).where(RemovedPrefix.due_at <= func.now()).order_by(RemovedPrefix.due_at)
    with transaction(engine) as session:
        due = session.scalars(query.limit(limit)).all()
    for prefix in due:
        store.delete_prefix(prefix)
        with transaction(engine) as session:
            session.execute(delete(RemovedPrefix).where(RemovedPrefix.prefix == prefix))
    return len(due)


def delete_rows(engine: Engine, table: type[Base], condition: Any, deadline: float) -> None:
    """Delete rows in batches, one transaction each. Raises `OutOfTime` at `deadline` (by `time.monotonic`)."""
    place: Any = literal_column("ctid")
    batch = select(place).select_from(table).where(condition).limit(ROWS_AT_ONCE)
    while True:
        with transaction(engine) as session:
            statement = delete(table).where(place.in_(batch)).execution_options(synchronize_session=False)
            deleted: Any = session.execute(statement)
        if deleted.rowcount == 0:
            return
        _check(deadline)


def _keep_figures(session: Session, run_ids: Sequence[uuid.UUID]) -> None:
    """Copy the quality figures of runs to their series, which stay in the reports."""
    figures = (
        select(ReportSeries.id, *(getattr(RunQuality, name) for name in FIGURE))
        .join(RunQuality, RunQuality.run_id == ReportSeries.run_id)
        .where(ReportSeries.run_id.in_(run_ids))
    )
    session.execute(insert(SeriesQuality).from_select(["series_id", *FIGURE], figures))


def _remove_again(session: Session, prefixes: Sequence[str], grace: timedelta) -> None:
    if not prefixes:
        return
    statement = upsert(RemovedPrefix).values([{"prefix": prefix, "due_at": func.now() + grace} for prefix in prefixes])
    session.execute(statement.on_conflict_do_nothing(index_elements=["prefix"]))


def _check(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise OutOfTime
