"""A worker process for the chaos tests: the real application and factory with a segmenter that waits at a gate.

The segmenter is in memory. Start the worker as `celery -A slow_worker worker` with this folder on the path.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from samfleet.config import Settings
from samfleet.db.session import connect
from samfleet.jobs.queue import CeleryTaskQueue
from samfleet.storage.factory import open_store
from samfleet.wire.messages import SegmentRequest
from samfleet_worker.bootstrap import Services, worker_name
from samfleet_worker.factory import create_app
from samfleet_worker.triton.memory_segmenter import MemorySegmenter

GATE = Path(os.environ["CHAOS_GATE"])  # while this file is missing, only the first image of each shard passes
POLL_SECONDS = 0.02


def wait_at_gate(request: SegmentRequest) -> None:
    while not request.image.endswith(b"first") and not GATE.exists():
        time.sleep(POLL_SECONDS)


def build(settings: Settings) -> Services:
    return Services(
        settings=settings,
        engine=connect(settings.database_url, pool_size=9, pooling=settings.database_pooling),
        store=open_store(settings.storage_url),
        queue=CeleryTaskQueue(settings.broker_url),
        segmenter=MemorySegmenter(before=wait_at_gate),
        worker=worker_name(settings.pool),
    )


app = create_app(Settings(), build)
