"""Followed jobs: one database read for all followers, and limits on event streams."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import anyio
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from samfleet.db.session import read_only
from samfleet.errors import TooManyRequests
from samfleet.jobs.states import is_final
from samfleet.logging import get_logger
from samfleet_api.jobs import repository
from samfleet_api.jobs.log_repository import newest_ids
from samfleet_api.jobs.views import view_whole_jobs

RETRY_AFTER_SECONDS = 5.0

log = get_logger(__name__)


class TooManyEventStreams(TooManyRequests):
    """Too many event streams are open; close others, or poll the job every few seconds."""

    code = "too_many_event_streams"


@dataclass(frozen=True, slots=True)
class Seen:
    """JSON of a job as it was last read, and the id of the newest line of its log."""

    data: str
    final: bool
    newest_line: int = 0


class WatchedJobs:
    """Read all followed jobs once per second, however many jobs and followers there are.

    Must be created in the event loop that serves the streams. The first stream that finds the last read too old reads
    for all; the others wait for it.
    """

    def __init__(self, engine: Engine, interval_seconds: float, keep_days: int | None = None) -> None:
        self._engine = engine
        self._keep_days = keep_days
        self._interval_seconds = interval_seconds
        self._looking = anyio.Lock()
        self._followers: Counter[uuid.UUID] = Counter()
        self._seen: Mapping[uuid.UUID, Seen] = {}
        self._looked_at = -float("inf")
        self.looks = 0

    async def follow(self, job_id: uuid.UUID, seconds: float) -> AsyncIterator[Seen]:
        """Yield the job at once and after each change of it or of its log, until it ends or `seconds` have passed."""
        until = time.monotonic() + seconds
        with self._followed(job_id):
            told = None
            while time.monotonic() < until:
                seen = await self._latest(job_id)
                if seen is None and told is not None:
                    return  # the job was deleted
                if seen is not None and seen != told:
                    yield seen
                    told = seen
                if told is not None and told.final:
                    return
                await anyio.sleep(self._interval_seconds)

    @contextmanager
    def _followed(self, job_id: uuid.UUID) -> Iterator[None]:
        self._followers[job_id] += 1
        try:
            yield
        finally:
            self._followers -= Counter({job_id: 1})

    async def _latest(self, job_id: uuid.UUID) -> Seen | None:
        async with self._looking:
            old = time.monotonic() - self._looked_at >= self._interval_seconds
            if old or job_id not in self._seen:
                await self._look()
        return self._seen.get(job_id)

    async def _look(self) -> None:
        """Read the followed jobs. A database error ends no stream; the next read is a second later."""
        self.looks += 1
        try:
            self._seen = await run_in_threadpool(_read, self._engine, tuple(self._followers), self._keep_days)
        except SQLAlchemyError as error:
            log.warning("jobs.watching_failed", reason=str(error))
        self._looked_at = time.monotonic()


def _read(engine: Engine, job_ids: Collection[uuid.UUID], keep_days: int | None) -> Mapping[uuid.UUID, Seen]:
    with read_only(engine) as session:
        jobs = view_whole_jobs(session, repository.of_ids(session, job_ids), keep_days)
        newest = newest_ids(session, job_ids)
    return {
        job.id: Seen(job.model_dump_json(exclude_unset=True), is_final(job.state), newest.get(job.id, 0))
        for job in jobs
    }


class EventStreams:
    """Limits of open streams, per key and per process. Used only in the event loop, so it needs no lock."""

    def __init__(self, most: int, most_of_one: int) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._open: Counter[str] = Counter()

    @contextmanager
    def place(self, caller: str) -> Iterator[None]:
        if self._open[caller] >= self._most_of_one:
            raise _refusal(f"this key has {self._most_of_one} open event streams, the maximum per key")
        if self._open.total() >= self._most:
            raise _refusal(f"this server has {self._most} open event streams, its maximum")
        self._open[caller] += 1
        try:
            yield
        finally:
            self._open -= Counter({caller: 1})


def _refusal(message: str) -> TooManyEventStreams:
    advice = "close others, or poll the job every few seconds"
    return TooManyEventStreams(f"{message}; {advice}", retry_after_seconds=RETRY_AFTER_SECONDS)
