from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis
from sqlalchemy.orm import Session
from structlog.contextvars import bound_contextvars

from samfleet.db.session import commit
from samfleet.jobs.queue import (
    CORRELATION_HEADER,
    CeleryTaskQueue,
    MemoryTaskQueue,
    QueueUnavailable,
    SentTask,
    TaskName,
    TaskQueue,
    pool_queue,
    wake_after_commit,
)


@pytest.fixture
def queue(broker_url: str) -> Iterator[CeleryTaskQueue]:
    with closing(CeleryTaskQueue(broker_url)) as queue:
        yield queue


def test_a_task_is_queued_by_name_as_json(queue: CeleryTaskQueue, broker_url: str) -> None:
    queue.ping()
    with bound_contextvars(correlation_id="from the request"):
        queue.send(TaskName.SEGMENT, 7, queue=pool_queue("default"))
    with closing(redis.Redis(unix_socket_path=broker_url.removeprefix("redis+socket://"))) as client:
        (raw,) = client.lrange("samfleet.pool.default", 0, -1)
    message = json.loads(raw)
    assert message["content-type"] == "application/json"
    assert message["headers"]["task"] == "shards.segment"
    assert message["headers"]["argsrepr"] == "(7,)"
    assert message["headers"][CORRELATION_HEADER] == "from the request"


def test_queued_tasks_are_counted(queue: CeleryTaskQueue, broker_url: str) -> None:
    assert queue.waiting(pool_queue("default")) == 0
    for shard_id in (1, 2):
        queue.send(TaskName.SEGMENT, shard_id, queue=pool_queue("default"))
    assert queue.waiting(pool_queue("default")) == 2
    assert queue.waiting(pool_queue("other")) == 0
    with closing(redis.Redis(unix_socket_path=broker_url.removeprefix("redis+socket://"))) as client:
        client.flushall()
    assert queue.waiting(pool_queue("default")) == 0


def test_an_unreachable_broker_is_reported_within_seconds(tmp_path: Path) -> None:
    started = time.monotonic()
    with closing(CeleryTaskQueue(f"redis+socket://{tmp_path / 'nobody.sock'}")) as queue:
        with pytest.raises(QueueUnavailable, match="SAMFLEET_BROKER_URL"):
            queue.send(TaskName.SWEEP, queue="samfleet.control")
        with pytest.raises(QueueUnavailable):
            queue.ping()
        with pytest.raises(QueueUnavailable):
            queue.waiting("samfleet.control")
    assert time.monotonic() - started < 15


@pytest.mark.parametrize("down", [False, True])
def test_tasks_are_sent_after_the_commit_and_never_fail_it(session: Session, down: bool) -> None:
    queue = MemoryTaskQueue(down=down)
    wake_after_commit(session, queue, TaskName.DISPATCH, "run", countdown_seconds=2.0)
    assert queue.sent == []
    commit(session)
    expected = [] if down else [SentTask("jobs.dispatch", ("run",), "samfleet.control", 2.0)]
    assert queue.sent == expected


def test_the_test_double_raises_the_errors_of_the_real_queue() -> None:
    queue: TaskQueue = MemoryTaskQueue(down=True)
    with pytest.raises(QueueUnavailable):
        queue.send(TaskName.SWEEP, queue="samfleet.control")
    with pytest.raises(QueueUnavailable):
        queue.ping()
