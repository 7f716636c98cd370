"""Shared state of all requests, opened once per process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypedDict

from sqlalchemy import Engine

from samfleet.config import Settings
from samfleet.db.session import connect
from samfleet.jobs.queue import CeleryTaskQueue, TaskQueue
from samfleet.storage.factory import open_store
from samfleet.storage.store import ObjectStore
from samfleet_api.health.checks import Probes

DATABASE_CONNECTIONS = 20  # for the 40 threads that run endpoints; the pool may grow to twice as many


class State(TypedDict):
    settings: Settings
    engine: Engine
    store: ObjectStore
    queue: TaskQueue
    probes: Probes


@contextmanager
def open_state(settings: Settings) -> Iterator[State]:
    engine = connect(settings.database_url, pool_size=DATABASE_CONNECTIONS, pooling=settings.database_pooling)
    queue = CeleryTaskQueue(settings.broker_url)
    probes = Probes()
    try:
        yield State(
            settings=settings,
            engine=engine,
            store=open_store(settings.storage_url, s3_endpoint_url=settings.s3_endpoint_url),
            queue=queue,
            probes=probes,
        )
    finally:
        probes.close()
        queue.close()
        engine.dispose()
