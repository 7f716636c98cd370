"""The worker's Celery application and the base of its tasks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, cast

from celery import Celery, Task
from structlog.contextvars import bound_contextvars

from samfleet.config import Settings
from samfleet.db.actors import acting_as_task
from samfleet.errors import SamfleetError
from samfleet.jobs.queue import CORRELATION_HEADER, SUBJECTS
from samfleet.logging import CORRELATION_ID, get_logger
from samfleet.metrics import TASKS
from samfleet.tracing import span
from samfleet_worker.bootstrap import Services

log = get_logger(__name__)


class WorkerApp(Celery):
    """Celery application that builds its services on first use, so a process that runs only beat needs none."""

    def __init__(self, settings: Settings, build: Callable[[Settings], Services]) -> None:
        super().__init__("samfleet", broker=settings.broker_url, set_as_current=False)
        self.settings = settings
        self._build_services = build
        self._building = threading.Lock()
        self._services: Services | None = None

    @property
    def services(self) -> Services:
        with self._building:
            if self._services is None:
                self._services = self._build_services(self.settings)
            return self._services


class SamfleetTask(Task):  # type: ignore[type-arg] # generic in the stubs only, not at run time
    """Base task: sets the log context, logs every run and handles every error.

    The state of the work is in PostgreSQL. So an error is only logged here, and the sweeper sends again what remains to
    be done.
    """

    abstract = True

    @property
    def services(self) -> Services:
        return cast("WorkerApp", self.app).services

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        headers = self.request.headers or {}
        sender = headers.get(CORRELATION_HEADER) or self.request.id
        ids: dict[str, str | int] = {CORRELATION_ID: str(sender), "task": str(self.name)}
        if args and self.name in SUBJECTS:
            ids[SUBJECTS[self.name]] = args[0]
        with (
            bound_contextvars(**ids),
            acting_as_task(str(self.name)),
            span(self.name, kind="consumer", parent=headers, **ids) as traced,
        ):
            started = time.perf_counter()
            outcome = "done"
            try:
                self.run(*args, **kwargs)
            except SamfleetError as error:
                outcome = "failed"
                traced.fail(error.code)
                log.warning("task.failed", code=error.code, reason=error.message, arguments=args)
            except Exception as error:
                outcome = "crashed"
                traced.fail(type(error).__name__)
                log.exception("task.failed", arguments=args)
            else:
                seconds = round(time.perf_counter() - started, 3)
                log.debug("task.done", arguments=args, seconds=seconds)
            finally:
                TASKS.labels(self.name, outcome).observe(time.perf_counter() - started)
