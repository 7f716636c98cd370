"""Entry point for Celery: `celery -A samfleet_worker.app worker --pool threads`, and the same with `beat`."""

from __future__ import annotations

from samfleet.config import Settings
from samfleet_worker.bootstrap import bootstrap
from samfleet_worker.factory import create_app

app = create_app(Settings(), bootstrap)
