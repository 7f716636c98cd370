"""The worker's services, built from settings once per process; nothing else in the worker reads settings."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import Engine

from samfleet.budget import Budget
from samfleet.config import Settings
from samfleet.datasets.content import Remote
from samfleet.datasets.frames.limits import FrameLimits
from samfleet.datasets.frames.reader import frame_readers
from samfleet.datasets.s3_sources import S3Sources
from samfleet.datasets.url_sources import NO_URLS, UrlRules, UrlSources
from samfleet.db.session import connect
from samfleet.errors import InvalidInput
from samfleet.jobs.clean import CleanLimits
from samfleet.jobs.queue import CeleryTaskQueue, TaskQueue
from samfleet.jobs.sweep import SweepLimits
from samfleet.logging import get_logger
from samfleet.storage.factory import open_store
from samfleet.storage.store import ObjectStore
from samfleet.variants.catalogue import add_variants_of
from samfleet_worker.shard_slots import Company
from samfleet_worker.triton.client import TritonSegmenter
from samfleet_worker.triton.segmenter import Segmenter

log = get_logger(__name__)


class PoolNotConfigured(InvalidInput):
    """SAMFLEET_POOL names a pool that SAMFLEET_POOLS does not define."""

    code = "pool_not_configured"


@dataclass(frozen=True, slots=True)
class Services:
    """Collaborators of the tasks.

    `stopping` is set when the process was asked to end: work stops at the next image and is handed back. `loading` is
    held while a variant is loaded. `company` lets shards run side by side, or a suspect alone. `image_bytes` bounds the
    image files held in memory; None means no bound. `s3` and `urls` read images that stay where they are,
    `frames` those that are a part of a file.
    `end_process` is called when a thread of this process hangs and cannot be recovered.
    """

    settings: Settings
    engine: Engine
    store: ObjectStore
    queue: TaskQueue
    segmenter: Segmenter
    worker: str
    stopping: threading.Event = field(default_factory=threading.Event)
    loading: threading.Lock = field(default_factory=threading.Lock)
    company: Company = field(default_factory=Company)
    image_bytes: Budget | None = None
    s3: S3Sources = field(default_factory=lambda: S3Sources({}))
    urls: UrlSources = NO_URLS
    frames: Remote = field(default_factory=dict)
    end_process: Callable[[str], None] = lambda _reason: None

    @property
    def remote(self) -> Remote:
        """Return the readers of frames, and of images in buckets and at URLs."""
        return {**self.s3.readers, **self.urls.readers, **self.frames}

    @property
    def sweep_limits(self) -> SweepLimits:
        """Limits of the sweeper.

        A worker that lost its shard may wait for Triton until the timeout before it writes a part.
        """
        return SweepLimits(
            shards_in_flight=self.settings.shards_in_flight,
            max_shard_attempts=self.settings.max_shard_attempts,
            lease=self.settings.lease,
            orphan_grace=self.settings.triton_timeout + timedelta(minutes=30),
        )

    @property
    def clean_limits(self) -> CleanLimits:
        """Limits of the clean-up.

        The grace is that of parts, which take longest between writing the object and its row.
        """
        return CleanLimits(
            grace=self.sweep_limits.orphan_grace,
            unsealed_after=self.settings.unsealed_retention,
            keep_days=self.settings.keep_days,
            orphans_every=self.settings.orphan_interval,
        )


def bootstrap(settings: Settings) -> Services:
    add_variants_of(settings.variants_dir)
    if settings.pool not in settings.pools:
        known = ", ".join(sorted(settings.pools))
        raise PoolNotConfigured(f"SAMFLEET_POOL is {settings.pool!r}, but SAMFLEET_POOLS has only {known}")
    store = open_store(settings.storage_url, s3_endpoint_url=settings.s3_endpoint_url)
    s3, urls = S3Sources(settings.s3_sources), UrlSources(UrlRules.of(settings))
    return Services(
        settings=settings,
        # per slot a task and its lease renewal; then the process's heartbeat, the lock for loading variants, and the
        # query of a prediction that loads one
        engine=connect(
            settings.database_url,
            pool_size=2 * settings.worker_concurrency + 3,
            pooling=settings.database_pooling,
        ),
        store=store,
        queue=CeleryTaskQueue(settings.broker_url),
        segmenter=TritonSegmenter(
            settings.pools[settings.pool], settings.triton_timeout, settings.loaded_variants, settings.triton_secret
        ),
        worker=worker_name(settings.pool),
        image_bytes=Budget(settings.image_bytes_in_flight),
        s3=s3,
        urls=urls,
        frames=frame_readers(store, s3, urls, FrameLimits.of(settings)),
        end_process=end_process,
    )


def end_process(reason: str) -> None:
    """End this process at once, so that its supervisor starts another: a hanging thread would block an orderly end.

    The leases of its other shards expire, which counts no attempt.
    """
    log.error("worker.hangs", reason=reason)
    os._exit(os.EX_SOFTWARE)


def worker_name(pool: str) -> str:
    return f"{pool}@{socket.gethostname()}:{os.getpid()}"
