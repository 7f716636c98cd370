"""The liveness file that a container's health check reads, from a real worker on a real Redis."""

from __future__ import annotations

from pathlib import Path

import pytest
from celery.contrib.testing.worker import start_worker
from sqlalchemy import Engine

from fixtures.waiting import until
from fixtures.worker.worker_services import make_services
from samfleet_worker import liveness
from samfleet_worker.factory import create_app
from samfleet_worker.triton.memory_segmenter import MemorySegmenter

PATIENCE = 20


def test_the_file_is_touched_while_the_worker_accepts_tasks(
    engine: Engine, broker_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "TOUCH_SECONDS", 0.05)
    file = tmp_path / "alive"
    services = make_services(engine, MemorySegmenter(), broker_url=broker_url, heartbeat_file=file)
    app = create_app(services.settings, lambda _: services)
    with start_worker(app, perform_ping_check=False, shutdown_timeout=PATIENCE):
        until(file.exists)
        first = file.stat().st_mtime_ns
        until(lambda: file.stat().st_mtime_ns > first)
