from __future__ import annotations

from typing import Any

import pytest
from celery.contrib.testing.worker import TestWorkController, start_worker
from sqlalchemy import Engine

from fixtures.worker.worker_services import make_services
from samfleet_worker.factory import create_app
from samfleet_worker.triton.memory_segmenter import MemorySegmenter

PATIENCE = 20
BETWEEN_WORKERS = {"Events", "Gossip", "Heart", "Mingle"}


class LoudWorker(TestWorkController):
    """A worker with Celery's defaults, which `start_worker` turns off."""

    def __init__(self, **options: Any) -> None:
        defaults = {"without_gossip": False, "without_heartbeat": False, "without_mingle": False}
        super().__init__(**(options | defaults))


@pytest.mark.parametrize("silent", [True, False])
def test_a_worker_sends_others_nothing_but_answers_questions(engine: Engine, broker_url: str, *, silent: bool) -> None:
    services = make_services(engine, MemorySegmenter(), broker_url=broker_url)
    app = create_app(services.settings, lambda _: services)
    if not silent:
        app.conf.worker_consumer = "celery.worker.consumer:Consumer"
    with start_worker(app, perform_ping_check=False, shutdown_timeout=PATIENCE, WorkController=LoudWorker) as worker:
        steps = {type(step).__name__ for step in worker.consumer.steps}  # type: ignore[attr-defined]  # a step of the worker sets it
        assert steps & BETWEEN_WORKERS == (set() if silent else BETWEEN_WORKERS)
        attempts = (app.control.ping(timeout=0.5, limit=1) for _ in range(2 * PATIENCE))  # it may not listen yet
        assert any(attempts)
