"""Task queue. Its messages only wake workers up; the work itself is in PostgreSQL.

So a message may be lost or arrive twice at any time; the sweeper sends again what no worker took.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any, Protocol

from celery import Celery
from kombu.exceptions import ChannelError, OperationalError
from redis.exceptions import RedisError
from sqlalchemy.orm import Session
from structlog.contextvars import bound_contextvars

from samfleet.db.session import after_commit
from samfleet.errors import Unavailable
from samfleet.logging import CORRELATION_ID, correlation_id, get_logger
from samfleet.tracing import span, trace_headers

log = get_logger(__name__)

CONTROL_QUEUE = "samfleet.control"
CORRELATION_HEADER = "samfleet_correlation_id"  # Celery's own `correlation_id` is the id of the task
CONNECT_SECONDS = 2  # a request must not hang while the broker is down; the sweeper sends later


class TaskName(StrEnum):
    LIST = "datasets.list"  # (dataset id)
    PLAN = "jobs.plan"  # (job id)
    DISPATCH = "jobs.dispatch"  # (run id)
    SEGMENT = "shards.segment"  # (shard id), on the queue of its pool
    FINISH = "jobs.finish"  # (run id)
    EXPORT = "exports.build"  # (export id)
    COMPARE = "comparisons.build"  # (comparison id)
    PULL = "variants.pull"  # (name of the variant)
    SWEEP = "jobs.sweep"  # ()
    CLEAN = "storage.clean"  # ()


# Name of a task's first argument in its log lines.
SUBJECTS: Mapping[str, str] = {
    TaskName.LIST: "dataset_id",
    TaskName.PLAN: "job_id",
    TaskName.DISPATCH: "run_id",
    TaskName.SEGMENT: "shard_id",
    TaskName.FINISH: "run_id",
    TaskName.EXPORT: "export_id",
    TaskName.COMPARE: "comparison_id",
    TaskName.PULL: "variant",
}


def pool_queue(pool: str) -> str:
    return f"samfleet.pool.{pool}"


def task_headers() -> dict[str, str]:
    """Return message headers that identify the originating request: its correlation id and, if traced, its trace."""
    return {CORRELATION_HEADER: correlation_id(), **trace_headers()}


class QueueUnavailable(Unavailable):
    """The broker does not answer; check SAMFLEET_BROKER_URL and that Redis runs."""

    code = "queue_unavailable"


class TaskQueue(Protocol):
    def send(self, task: str, *args: str | int, queue: str, countdown_seconds: float = 0.0) -> None:
        """Send the task, to start after the countdown at the earliest. Raises `QueueUnavailable`."""
        ...

    def waiting(self, queue: str) -> int:
        """Return the number of tasks in the queue that no worker has fetched. Raises `QueueUnavailable`."""
        ...

    def ping(self) -> None:
        """Raise `QueueUnavailable` if tasks cannot be sent now."""
        ...


class CeleryTaskQueue:
    """Queue over Celery. Its application is not Celery's current one, so a process may have several."""

    def __init__(self, broker_url: str) -> None:
        self._app = Celery("samfleet", broker=broker_url, set_as_current=False)
        self._app.conf.update(
            task_serializer="json",
            task_ignore_result=True,
            broker_connection_timeout=CONNECT_SECONDS,
            broker_transport_options={
                "socket_connect_timeout": CONNECT_SECONDS,
                "socket_timeout": CONNECT_SECONDS,
                "retry_on_timeout": False,
            },
            task_publish_retry_policy={
                "max_retries": 2,
                "interval_start": 0,
                "interval_step": 0.2,
                "interval_max": 0.4,
            },
        )

    def send(self, task: str, *args: str | int, queue: str, countdown_seconds: float = 0.0) -> None:
        with _mapped(f"task {task} cannot be sent"), span(f"send {task}", kind="producer"):
            self._app.send_task(
                str(task),
                args=args,
                queue=queue,
                countdown=countdown_seconds or None,
                headers=task_headers(),
            )

    def waiting(self, queue: str) -> int:
        with _mapped("the broker does not answer"), self._app.connection_for_write() as connection:
            channel: Any = connection.default_channel  # the stubs have only the members common to all transports
            try:
                return int(channel.queue_declare(queue, passive=True).message_count)
            except ChannelError:  # the queue was never used, or the broker was emptied
                return 0

    def ping(self) -> None:
        with _mapped("the broker does not answer"), self._app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=CONNECT_SECONDS)

    def close(self) -> None:
        self._app.close()


@dataclass(frozen=True, slots=True)
class SentTask:
    task: str
    args: tuple[str | int, ...]
    queue: str
    countdown_seconds: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass(slots=True)
class MemoryTaskQueue:
    """Queue that keeps sent tasks in order; with `down` it raises like a broker that does not answer."""

    sent: list[SentTask] = field(default_factory=list)
    down: bool = False

    def send(self, task: str, *args: str | int, queue: str, countdown_seconds: float = 0.0) -> None:
        self.ping()
        with span(f"send {task}", kind="producer"):
            self.sent.append(SentTask(str(task), args, queue, countdown_seconds, task_headers()))

    def waiting(self, queue: str) -> int:
        self.ping()
        return sum(task.queue == queue for task in self.sent)

    def ping(self) -> None:
        if self.down:
            raise QueueUnavailable


def wake(
    queue: TaskQueue,
    task: TaskName,
    *args: str | int,
    queue_name: str,
    countdown_seconds: float = 0.0,
    correlation: str | None = None,
) -> None:
    """Send a task. If the broker is down, only log it: the sweeper will find the work."""
    try:
        with bound_contextvars(**{CORRELATION_ID: correlation or correlation_id()}):
            queue.send(task, *args, queue=queue_name, countdown_seconds=countdown_seconds)
    except QueueUnavailable as error:
        log.warning("queue.unavailable", task=str(task), arguments=args, reason=error.message)


def wake_after_commit(
    session: Session,
    queue: TaskQueue,
    task: TaskName,
    *args: str | int,
    queue_name: str = CONTROL_QUEUE,
    countdown_seconds: float = 0.0,
    correlation: str | None = None,
) -> None:
    """Send a task after the transaction has committed; never if it fails.

    `correlation` is the id of the originating request (`Job.correlation_id`), for senders such as sweeps that run in
    another context.
    """
    send = partial(wake, queue, task, *args, queue_name=queue_name, countdown_seconds=countdown_seconds)
    after_commit(session, partial(send, correlation=correlation))


@contextmanager
def _mapped(what: str) -> Iterator[None]:
    try:
        yield
    except (OperationalError, RedisError, OSError) as error:
        raise QueueUnavailable(f"{what} ({error}); check SAMFLEET_BROKER_URL and that Redis runs") from error
