"""Structured logs: a static event name with key-value fields, as one JSON object a line or as coloured text.

Ids are bound once, where a request or task starts, and appear on every line it logs. The API binds the correlation
id, sends it in task headers (`samfleet.jobs.queue`), and the worker binds it again.
"""

from __future__ import annotations

import logging
import sys
import uuid
from typing import Literal

import structlog
from structlog.contextvars import get_contextvars
from structlog.typing import Processor

CORRELATION_ID = "correlation_id"
# their INFO and DEBUG lines would bury ours
QUIET = (
    "amqp",
    "botocore",
    "celery.app.trace",
    "celery.worker.request",
    "celery.worker.strategy",
    "kombu",
    "s3transfer",
    "urllib3",
)

_processors: list[Processor] = []  # a single list, because loggers cache it: a new configuration must reach them


def configure_logging(level: str, log_format: Literal["json", "console"]) -> None:
    """Send our events and those of the standard library's loggers to stderr in one format. Call once per process."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    rendering: list[Processor] = [structlog.dev.ConsoleRenderer()]
    if log_format == "json":
        rendering = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    _processors[:] = [
        structlog.stdlib.filter_by_level,
        *shared,
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ]
    structlog.configure(
        processors=_processors,
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger


def correlation_id() -> str:
    """Return the id bound by the current request or task; a new one outside of both."""
    bound: str | None = get_contextvars().get(CORRELATION_ID)
    return bound or uuid.uuid4().hex
