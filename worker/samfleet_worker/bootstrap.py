"""The worker's collaborators, built from settings once per process; nothing else in the worker reads settings."""

from __future__ import annotations

import os
import socket
import threading
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import Engine

from samfleet.config import Settings
from samfleet.db.session import connect
from samfleet.errors import InvalidInput
from samfleet.jobs.queue import CeleryTaskQueue, TaskQueue
from samfleet.jobs.sweeper import SweepLimits
from samfleet.storage.opening import open_store
from samfleet.storage.store import ObjectStore
from samfleet.variants.catalogue import add_variants_of
from samfleet_worker.triton.client import TritonSegmenter
from samfleet_worker.triton.segmenter import Segmenter


class PoolNotConfigured(InvalidInput):
    """SAMFLEET_POOL names a pool that SAMFLEET_POOLS does not have."""

    code = "pool_not_configured"


@dataclass(frozen=True, slots=True)
class Services:
    """`stopping` is set when the process was asked to end: work stops at the next image and is handed back.
    Whoever loads a variant holds `loading`.
    """

    settings: Settings
    engine: Engine
    store: ObjectStore
    queue: TaskQueue
    segmenter: Segmenter
    worker: str
    stopping: threading.Event = field(default_factory=threading.Event)
    loading: threading.Lock = field(default_factory=threading.Lock)

    @property
    def sweep_limits(self) -> SweepLimits:
        """A worker that lost its shard may still wait for Triton as long as the timeout before it writes a part."""
        return SweepLimits(
            shards_in_flight=self.settings.shards_in_flight,
            max_shard_attempts=self.settings.max_shard_attempts,
            orphan_grace=self.settings.triton_timeout + timedelta(minutes=30),
        )


def bootstrap(settings: Settings) -> Services:
    add_variants_of(settings.variants_dir)
    if settings.pool not in settings.pools:
        known = ", ".join(sorted(settings.pools))
        raise PoolNotConfigured(f"SAMFLEET_POOL is {settings.pool!r}, but SAMFLEET_POOLS has only {known}")
    return Services(
        settings=settings,
        # a task and its heartbeat at a time, the process's own heartbeat, and the lock under which variants load
        engine=connect(settings.database_url, pool_size=2 * settings.worker_concurrency + 2),
        store=open_store(settings.storage_url, s3_endpoint_url=settings.s3_endpoint_url),
        queue=CeleryTaskQueue(settings.broker_url),
        segmenter=TritonSegmenter(
            settings.pools[settings.pool], settings.triton_timeout, settings.loaded_variants, settings.triton_secret
        ),
        worker=worker_name(settings.pool),
    )


def worker_name(pool: str) -> str:
    return f"{pool}@{socket.gethostname()}:{os.getpid()}"
