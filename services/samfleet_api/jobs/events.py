"""A job as it moves, pushed to a browser: server-sent events, as the HTML standard has them.

A coroutine, which waits without holding one of the threads that run endpoints; each look at the database is done in
one, in a transaction of its own.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from functools import partial

import anyio
from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool

from samfleet.db.session import read_only
from samfleet.jobs.cancelling import JobNotFound
from samfleet.jobs.states import is_final
from samfleet_api.dependencies import EngineValue, TenantId
from samfleet_api.jobs.schemas import Job
from samfleet_api.jobs.views import require_job, view_job
from samfleet_api.problems import problems

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

MEDIA_TYPE = "text/event-stream"
INTERVAL = timedelta(seconds=1)
LONGEST = timedelta(minutes=1)  # a browser comes back by itself, and its key or session is then looked at again


@router.get(
    "/{job_id}/events",
    summary="Follow a job",
    operation_id="job_follow",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "An event `job` with the job as JSON at once and whenever it has changed; the last one has "
            "a final state. A stream ends after a minute: connect again.",
            "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
        },
        **problems(JobNotFound),
    },
)
def follow_job(job_id: uuid.UUID, tenant_id: TenantId, engine: EngineValue) -> StreamingResponse:
    read = partial(_read, engine, tenant_id, job_id)
    read()  # a job that does not exist is refused while there is still a status to send
    return StreamingResponse(_events(read), media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})


def _read(engine: Engine, tenant_id: uuid.UUID, job_id: uuid.UUID) -> Job:
    with read_only(engine) as session:
        return view_job(session, require_job(session, tenant_id, job_id))


async def _events(read: Callable[[], Job]) -> AsyncIterator[str]:
    yield "retry: 1000\n\n"
    sent = ""
    until = time.monotonic() + LONGEST.total_seconds()
    while time.monotonic() < until:
        job = await run_in_threadpool(read)
        data = job.model_dump_json(exclude_unset=True)
        if data != sent:
            yield f"event: job\ndata: {data}\n\n"
            sent = data
        if is_final(job.state):
            return
        await anyio.sleep(INTERVAL.total_seconds())
