"""Progress of a job, pushed to browsers as server-sent events (HTML standard)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse

from samfleet.db.session import read_only
from samfleet.jobs.cancel import JobNotFound
from samfleet_api.dependencies import EngineValue, TenantId
from samfleet_api.jobs.views import require_job
from samfleet_api.jobs.watching import EventStreams, TooManyEventStreams, WatchedJobs
from samfleet_api.problems import problems
from samfleet_api.short_ids import JobId

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

MEDIA_TYPE = "text/event-stream"
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
            "a final state. A stream ends after one minute: reconnect.",
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
) -> StreamingResponse:
    with read_only(engine) as session:
        require_job(session, tenant_id, job_id)  # checked before the status line is sent
    return StreamingResponse(_events(watched, job_id), media_type=MEDIA_TYPE)


async def _events(watched: WatchedJobs, job_id: JobId) -> AsyncIterator[str]:
    yield "retry: 1000\n\n"
    async for seen in watched.follow(job_id, LONGEST.total_seconds()):
        yield f"event: job\ndata: {seen.data}\n\n"
