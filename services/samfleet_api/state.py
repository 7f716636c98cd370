"""What all requests share, opened once per process."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypedDict

from sqlalchemy import Engine

from samfleet.config import Settings
from samfleet.db.session import connect
from samfleet.jobs.queue import CeleryTaskQueue, TaskQueue
from samfleet.storage.opening import open_store
from samfleet.storage.store import ObjectStore

DATABASE_CONNECTIONS = 20  # of the 40 threads that run endpoints; twice as many when all are busy with the database
PROBE_THREADS = 8  # for the checks of /readyz, whose slow ones must not hold up the others


class State(TypedDict):
    settings: Settings
    engine: Engine
    store: ObjectStore
    queue: TaskQueue
    probes: ThreadPoolExecutor


@contextmanager
def open_state(settings: Settings) -> Iterator[State]:
    engine = connect(settings.database_url, pool_size=DATABASE_CONNECTIONS)
    queue = CeleryTaskQueue(settings.broker_url)
    probes = ThreadPoolExecutor(PROBE_THREADS, thread_name_prefix="readyz")
    try:
        yield State(
            settings=settings,
            engine=engine,
            store=open_store(settings.storage_url, s3_endpoint_url=settings.s3_endpoint_url),
            queue=queue,
            probes=probes,
        )
    finally:
        probes.shutdown(wait=False, cancel_futures=True)
        queue.close()
        engine.dispose()
