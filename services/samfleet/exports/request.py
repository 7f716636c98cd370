"""Requests for exports. Equal requests on the same results share one export."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from samfleet.db.models import Export, ExportState, Job, Run
from samfleet.exports.errors import ExportFormatUnknown, ExportNotFound, RunNotEnded, TooManyExports
from samfleet.exports.formats import FORMATS, SHOW_REVIEWS
from samfleet.exports.formats.base import ExportOptions
from samfleet.exports.versions import parts_version
from samfleet.jobs.export import RunNotFound, recorded_parts
from samfleet.jobs.queue import TaskName, TaskQueue, wake_after_commit
from samfleet.jobs.states import is_final
from samfleet.logging import correlation_id
from samfleet.reviews.selection import Reviewed
from samfleet.reviews.versions import review_version

MOST_EXPORTS = 100  # of a run, failed ones included


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """A request for a file. Its export is deleted `keep_days` after its end; None: with its job."""

    format: str
    options: ExportOptions
    keep_days: int | None = None

    @property
    def depends_on_review(self) -> bool:
        """Return whether the file changes with the review of the run."""
        return depends_on_review(self.format, self.options)

    def sha256(self, version: str, review: int) -> str:
        """Return a hash that is equal for requests whose files are equal, by the versions of parts and review."""
        reviewed = [review] if review and self.depends_on_review else []
        about = json.dumps([self.format, self.options.to_dict(), version, *reviewed], sort_keys=True)
        return hashlib.sha256(about.encode()).hexdigest()


def request_export(
    session: Session, queue: TaskQueue, tenant_id: uuid.UUID, run_id: uuid.UUID, request: ExportRequest
) -> tuple[Export, bool]:
    """Write the export and wake a builder after the commit. Returns the export, and True if it is new.

    An equal request returns the export of the first one and changes only its `keep_days`, if one is given. After a
    failure it makes another export. Raises `ExportFormatUnknown`, `RunNotFound`, `RunNotEnded` and `TooManyExports`.
    """
    require_format(request.format)
    run = _ended_run(session, tenant_id, run_id)
    digest = request.sha256(parts_version(recorded_parts(session, run.id)), review_version(session, run.id))
    if _find(session, run.id, digest) is None:
        _require_place(session, run.id)
    return add_export(session, queue, run.id, request, correlation_id())


def add_export(
    session: Session, queue: TaskQueue, run_id: uuid.UUID, request: ExportRequest, correlation: str | None
) -> tuple[Export, bool]:
    """Like `request_export`, for a locked run that has ended, however many exports it has."""
    version, review = parts_version(recorded_parts(session, run_id)), review_version(session, run_id)
    digest = request.sha256(version, review)
    known = _find(session, run_id, digest)
    if known is None:
        export = _insert(
            session, run_id, request, correlation, parts_version=version, review_version=review, request_sha256=digest
        )
        if export is not None:
            wake_after_commit(session, queue, TaskName.EXPORT, str(export.id), correlation=correlation)
            return export, True
        known = _find(session, run_id, digest)  # another request committed it meanwhile
    if known is None:
        raise ExportNotFound("the export of an equal request was just deleted; send the request again")
    if request.keep_days is not None:
        known.keep_days = request.keep_days
        session.flush()
    return known, False


def depends_on_review(form: str, options: ExportOptions) -> bool:
    """Return whether a file in this format with these options changes with the review of its run."""
    return options.reviewed is not Reviewed.ALL or form in SHOW_REVIEWS


def require_format(name: str) -> None:
    """Raise `ExportFormatUnknown` for a name without a format."""
    if name not in FORMATS:
        raise ExportFormatUnknown(f"no export format is named {name!r}; known are {', '.join(sorted(FORMATS))}")


def _ended_run(session: Session, tenant_id: uuid.UUID, run_id: uuid.UUID) -> Run:
    """Return the run, locked against its deletion. A retry that starts now makes the builder refuse the export."""
    query = select(Run).join(Job, Job.id == Run.job_id).where(Run.id == run_id, Job.tenant_id == tenant_id)
    shared = query.where(Job.deleted_at.is_(None)).with_for_update(read=True, key_share=True)
    run = session.scalars(shared).one_or_none()
    if run is None:
        raise RunNotFound(f"run {run_id} does not exist; GET /v1/jobs/<id> names a job's runs")
    if not is_final(run.state):
        raise RunNotEnded(f"run {run_id} is {run.state.value}; export it when it has ended")
    return run


def _require_place(session: Session, run_id: uuid.UUID) -> None:
    if (session.scalar(select(func.count()).where(Export.run_id == run_id)) or 0) >= MOST_EXPORTS:
        raise TooManyExports(f"run {run_id} has {MOST_EXPORTS} exports; DELETE /v1/exports/<id> removes one")


def _find(session: Session, run_id: uuid.UUID, digest: str) -> Export | None:
    same = Export.run_id == run_id, Export.request_sha256 == digest, Export.state != ExportState.FAILED
    return session.scalars(select(Export).where(*same).with_for_update(key_share=True)).one_or_none()


def _insert(
    session: Session, run_id: uuid.UUID, request: ExportRequest, correlation: str | None, **identity: str | int
) -> Export | None:
    """Insert the export; None if an equal request has committed one."""
    values = {
        "id": uuid.uuid4(),
        "run_id": run_id,
        "format": request.format,
        "options": request.options.to_dict(),
        **identity,
        "state": ExportState.QUEUED,
        "keep_days": request.keep_days,
        "correlation_id": correlation,
    }
    statement = insert(Export).values(values).on_conflict_do_nothing(
        index_elements=["run_id", "request_sha256"], index_where=text("state <> 'failed'")
    )  # fmt: skip
    return session.scalars(statement.returning(Export)).one_or_none()
