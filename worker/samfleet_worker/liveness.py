"""Liveness file: Celery's main loop touches it, and the health check of a container reads it.

A ping through the broker (`celery inspect ping`) takes 1.7 s of CPU, a look at the file 2 ms.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from celery import bootsteps

TOUCH_SECONDS = 5.0


class AliveStep(bootsteps.StartStopStep):
    """Boot step that touches `SAMFLEET_HEARTBEAT_FILE` from the loop that takes tasks from the broker.

    It is a step of the consumer, which restarts with each connection to the broker and forgets its timers then. So the
    file grows old when the loop hangs, when the process is stopped, and while the broker is away.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._entry: Any = None

    def start(self, parent: Any) -> None:
        file: Path | None = parent.app.services.settings.heartbeat_file
        if file is not None:
            file.touch()
            self._entry = parent.timer.call_repeatedly(TOUCH_SECONDS, file.touch)

    def stop(self, _parent: Any) -> None:
        if self._entry is not None:
            self._entry.cancel()
            self._entry = None
