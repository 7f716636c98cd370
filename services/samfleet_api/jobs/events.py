"""Progress and log of a job, pushed to browsers as server-sent events (HTML standard)."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import StreamingResponse
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool

from samfleet.db.models import LogLevel
from samfleet.db.session import read_only
from samfleet.jobs.cancel import JobNotFound
from samfleet_api.dependencies import EngineValue, TenantId
from samfleet_api.jobs.log_repository import lines_after
from samfleet_api.jobs.log_schemas import LogLine
from samfleet_api.jobs.views import require_job
from samfleet_api.jobs.watching import EventStreams, TooManyEventStreams, WatchedJobs
from samfleet_api.problems import problems
from samfleet_api.short_ids import JobId

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

MEDIA_TYPE = "text/event-stream"
LINES_AT_ONCE = 500
INTERVAL = timedelta(seconds=1)
LONGEST = timedelta(minutes=1)  # browsers reconnect by themselves, and authentication is then checked again


async def place_for_stream(request: Request, _tenant: TenantId) -> AsyncIterator[WatchedJobs]:
    """Reserve a place for a stream until its response ends, also on errors."""
    streams: EventStreams = request.state.event_streams
    with streams.place(request.state.caller):
        yield request.state.watched_jobs


@router.get(
    "/{job_id}/events",
    summary="Follow a job",
    operation_id="job_follow",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "An event `job` with the job as JSON, at once and after each change; the last one has "
            "a final state. With `log`, also an event `log` for each line of the job's log after that one; its id is "
            "the event's, so a browser that reconnects goes on after it. A stream ends after one minute: reconnect.",
            "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
        },
        **problems(JobNotFound, TooManyEventStreams),
    },
)
def follow_job(
    job_id: JobId,
    tenant_id: TenantId,
    engine: EngineValue,
    watched: Annotated[WatchedJobs, Depends(place_for_stream)],
    log: Annotated[int | None, Query(ge=0, lt=2**63, description="Send the lines of the log after this one.")] = None,
    last_event_id: Annotated[
        str | None, Header(pattern=r"^\d{0,18}$", description="The last line that was received.")
    ] = None,
) -> StreamingResponse:
    with read_only(engine) as session:
        require_job(session, tenant_id, job_id)  # checked before the status line is sent
    after = None if log is None else max(log, int(last_event_id or 0))
    return StreamingResponse(_events(watched, engine, job_id, after), media_type=MEDIA_TYPE)


async def _events(watched: WatchedJobs, engine: Engine, job_id: JobId, after: int | None) -> AsyncIterator[str]:
    yield "retry: 1000\n\n"
    told = None
    async for seen in watched.follow(job_id, LONGEST.total_seconds()):
        while after is not None and after < seen.newest_line:
            lines = await run_in_threadpool(_lines, engine, job_id, after)
            for line in lines:
                yield f"id: {line.id}\nevent: log\ndata: {line.model_dump_json()}\n\n"
            after = lines[-1].id if lines else seen.newest_line
        if seen.data != told:
            yield f"event: job\ndata: {seen.data}\n\n"
            told = seen.data


def _lines(engine: Engine, job_id: uuid.UUID, after: int) -> list[LogLine]:
    with read_only(engine) as session:
        rows = lines_after(session, job_id, level=LogLevel.INFO, after=after, limit=LINES_AT_ONCE)
    return [LogLine.of(*row) for row in rows]
