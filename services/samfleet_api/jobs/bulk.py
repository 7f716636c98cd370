"""One action on many jobs, and their number.

Each job has its own transaction, so one that refuses leaves the others changed, and locks are short. A request ends
after a bounded number of jobs and a bounded time; its cursor goes on after the last job. Repeating a request is safe:
the actions on one job are idempotent, or refuse a second time.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from samfleet.db.models import Job, Run
from samfleet.db.session import read_only, transaction
from samfleet.errors import Conflict, SamfleetError
from samfleet.exports.errors import ExportFormatUnknown, RunNotEnded
from samfleet.exports.request import ExportRequest, request_export, require_format
from samfleet.jobs.cancel import cancel_job
from samfleet.jobs.delete import delete_job
from samfleet.jobs.pause import pause_job, resume_job
from samfleet.jobs.queue import TaskQueue
from samfleet.jobs.quotas import Quotas
from samfleet.jobs.retry import retry_job
from samfleet.jobs.states import RUNS_ENDED
from samfleet.labels import LabelsInvalid
from samfleet.logging import get_logger
from samfleet_api.dependencies import EngineValue, QueueValue, ReadSessionValue, SettingsValue, TenantId
from samfleet_api.jobs import repository
from samfleet_api.jobs.bulk_schemas import (
    MOST_AT_ONCE,
    MOST_COUNTED,
    ActedOn,
    ActedOnJobs,
    ActOnJobs,
    JobAction,
    JobCount,
)
from samfleet_api.jobs.filters import JobFilterValue
from samfleet_api.jobs.sorting import JobSort, read_place, write_place
from samfleet_api.jobs.views import require_job
from samfleet_api.long_requests import TooBusy, long_running
from samfleet_api.pagination import Cursor, CursorInvalid, decode_cursor, encode_cursor, number_in
from samfleet_api.problems import PayloadTooLarge, problems
from samfleet_api.runs.schemas import Failure
from samfleet_api.strict_json import StrictJsonRoute

router = APIRouter(prefix="/v1", tags=["jobs"], route_class=StrictJsonRoute)
log = get_logger(__name__)

MOST_SECONDS = 5.0  # after which a request begins no further job
OF_IDS = "ids"  # first part of a cursor of a request with ids


class TooManyJobsMatch(Conflict):
    """More jobs match the filter than the request expects; nothing was done."""

    code = "too_many_jobs_match"


@dataclass(frozen=True, slots=True)
class Bulk:
    """An action of a tenant, with what carries it out."""

    engine: Engine
    queue: TaskQueue
    tenant_id: uuid.UUID
    body: ActOnJobs
    quotas: Quotas

    def apply(self, session: Session, job_id: uuid.UUID) -> int:
        """Change one job and return the number of its exports. Raises what the action on one job raises."""
        body, tenant_id = self.body, self.tenant_id
        if body.export is not None:
            return _export(session, self.queue, require_job(session, tenant_id, job_id), body.export.request())
        match body.action:
            case JobAction.CANCEL:
                cancel_job(session, tenant_id, job_id)
            case JobAction.PAUSE:
                pause_job(session, tenant_id, job_id)
            case JobAction.RESUME:
                resume_job(session, self.queue, tenant_id, job_id)
            case JobAction.RETRY:
                retry_job(session, self.queue, tenant_id, job_id, self.quotas)
            case JobAction.DELETE:
                forget = body.forget_measurements
                delete_job(session, tenant_id, job_id, cancel=body.cancel, forget_measurements=forget)
        return 0


@router.get("/job-count", summary="Count jobs", operation_id="job_count", responses=problems(LabelsInvalid))
def count_jobs(tenant_id: TenantId, session: ReadSessionValue, wanted: JobFilterValue) -> JobCount:
    """Count the jobs that `GET /v1/jobs` lists for the same filter, up to 10,000."""
    found = repository.count(session, tenant_id, wanted, MOST_COUNTED + 1)
    return JobCount(count=min(found, MOST_COUNTED), is_exact=found <= MOST_COUNTED)


@router.post(
    "/job-actions",
    summary="Cancel, pause, resume, retry, export or delete many jobs",
    operation_id="job_act",
    responses=problems(CursorInvalid, ExportFormatUnknown, LabelsInvalid, PayloadTooLarge, TooBusy, TooManyJobsMatch),
)
@long_running
def act_on_jobs(
    body: ActOnJobs,
    tenant_id: TenantId,
    engine: EngineValue,
    queue: QueueValue,
    settings: SettingsValue,
    cursor: Cursor = None,
) -> ActedOnJobs:
    """Each job succeeds or fails for itself, and the reply says what happened to it. A request handles at most 100 jobs
    and begins none after five seconds; send it again with `next` as `cursor` for the remaining ones.
    """
    if body.export is not None:
        require_format(body.export.format)
    bulk = Bulk(engine, queue, tenant_id, body, Quotas.of(settings))
    answer = _on_matching(bulk, cursor) if body.job_ids is None else _on_ids(bulk, body.job_ids, cursor)
    refused = sum(item.error is not None for item in answer.items)
    log.info("jobs.acted_on", action=body.action.value, jobs=len(answer.items), refused=refused)
    return answer


def _on_ids(bulk: Bulk, job_ids: Sequence[uuid.UUID], cursor: str | None) -> ActedOnJobs:
    ids = list(dict.fromkeys(job_ids))
    start = decode_cursor(cursor, _place_in_ids) or 0
    items = _act(bulk, ids[start : start + MOST_AT_ONCE])
    end = start + len(items)
    return ActedOnJobs(items=items, next=encode_cursor(OF_IDS, end) if end < len(ids) else None)


def _place_in_ids(parts: Sequence[str | int]) -> int:
    kind, place = parts
    if kind != OF_IDS:
        raise CursorInvalid
    return number_in(place)


def _on_matching(bulk: Bulk, cursor: str | None) -> ActedOnJobs:
    """Act on the next jobs of the filter, newest first: jobs that are submitted meanwhile are left out."""
    wanted, most = bulk.body.wanted(), bulk.body.most or 0
    after = decode_cursor(cursor, read_place(JobSort.NEWEST))
    with read_only(bulk.engine) as session:
        if after is None and repository.count(session, bulk.tenant_id, wanted, most + 1) > most:
            raise TooManyJobsMatch(f"more than {most} jobs match the filter; check it, or give a larger `most`")
        rows = repository.page(session, bulk.tenant_id, wanted, after=after, limit=MOST_AT_ONCE + 1)
    items = _act(bulk, [row.job.id for row in rows[:MOST_AT_ONCE]])
    remain = len(rows) > len(items)
    following = encode_cursor(*write_place(JobSort.NEWEST, rows[len(items) - 1])) if remain else None
    return ActedOnJobs(items=items, next=following)


def _act(bulk: Bulk, job_ids: Sequence[uuid.UUID]) -> list[ActedOn]:
    """Act on the jobs until the time is over, but on one at least."""
    until = time.monotonic() + MOST_SECONDS
    items: list[ActedOn] = []
    for job_id in job_ids:
        if items and time.monotonic() > until:
            break
        items.append(_act_on_one(bulk, job_id))
    return items


def _act_on_one(bulk: Bulk, job_id: uuid.UUID) -> ActedOn:
    exports, error = 0, None
    try:
        with transaction(bulk.engine) as session:
            exports = bulk.apply(session, job_id)
    except SamfleetError as refusal:
        error = Failure(code=refusal.code, message=refusal.message)
    with read_only(bulk.engine) as session:
        job = session.scalars(select(Job).where(Job.id == job_id, Job.tenant_id == bulk.tenant_id)).one_or_none()
    state = job.state if job is not None and job.deleted_at is None else None
    return ActedOn(job_id=job_id, name=job.name if job else None, state=state, exports=exports, error=error)


def _export(session: Session, queue: TaskQueue, job: Job, request: ExportRequest) -> int:
    """Request an export of each ended run; return their number."""
    ended = select(Run.id).where(Run.job_id == job.id, Run.state.in_(RUNS_ENDED)).order_by(Run.variant, Run.pool)
    run_ids = session.scalars(ended).all()
    if not run_ids:
        raise RunNotEnded(f"no run of job {job.id} has ended; export it when one has")
    for run_id in run_ids:
        request_export(session, queue, job.tenant_id, run_id, request)
    return len(run_ids)
