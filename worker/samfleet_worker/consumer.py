"""Celery's consumer without the messages that workers send each other.

By default each worker publishes a heartbeat every 2 s, and every other worker reads it: with a hundred workers these
are 5,000 deliveries a second, for nothing that is used here. The workers' heartbeats are in PostgreSQL
(`samfleet_worker.heartbeat`). `celery inspect` and `celery control` work as before.
"""

from __future__ import annotations

from typing import Any

from celery.worker.consumer import Consumer

SILENT = {"without_gossip": True, "without_heartbeat": True, "without_mingle": True}


class SilentConsumer(Consumer):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **(options | SILENT))
