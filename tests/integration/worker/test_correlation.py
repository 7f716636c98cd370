"""Correlation of the worker's log lines with the requests that caused them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from celery.contrib.testing.worker import start_worker
from sqlalchemy import Engine, text, update
from structlog.contextvars import bound_contextvars

from fixtures.api.request_journey import journey
from fixtures.api.running_api import Api, Tenant
from fixtures.logging_state import logging_restored
from fixtures.worker.job_rows import claim_one, start_job
from fixtures.worker.worker_services import make_services, upload
from samfleet.db.models import Shard
from samfleet.db.session import connect, transaction
from samfleet.jobs.queue import CONTROL_QUEUE, CeleryTaskQueue, MemoryTaskQueue, TaskName
from samfleet.logging import configure_logging
from samfleet_worker.factory import create_app
from samfleet_worker.renewal import LeaseKeeper
from samfleet_worker.triton.memory_segmenter import MemorySegmenter

PATIENCE = 20


class Lines(logging.Handler):
    """Log lines of all threads as they are written; caplog would be removed by `configure_logging`."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[dict[str, Any]] = []
        self._more = threading.Condition()

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record.msg, dict):
            with self._more:
                self._lines.append(dict(record.msg))
                self._more.notify_all()

    def __call__(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self._lines if line["event"] == event]

    def wait_for(self, event: str, **fields: str) -> dict[str, Any]:
        def found() -> list[dict[str, Any]]:
            return [line for line in self(event) if fields.items() <= line.items()]

        with self._more:
            assert self._more.wait_for(found, PATIENCE), f"no line {event}"
        return found()[0]


@contextmanager
def logged() -> Iterator[Lines]:
    lines = Lines()
    with logging_restored():
        configure_logging("DEBUG", "json")  # without it structlog prints and no handler gets a line
        logging.getLogger().addHandler(lines)
        yield lines


def test_log_lines_of_a_shard_name_the_request_that_submitted_its_job(api: Api, tenant: Tenant, folder: Path) -> None:
    with journey(api, tenant) as way, logged() as lines:
        job = way.submit(folder, 5, {"X-Request-ID": "asked-by-ann"})
        names = way.carry_out()
    assert names == ["jobs.plan", "shards.segment", "shards.segment", "shards.segment", "jobs.finish"]
    recorded = lines("shard.recorded")
    assert len(recorded) == 3
    for line in (*recorded, *lines("task.done")):
        assert line["correlation_id"] == "asked-by-ann"
    for line in recorded:
        assert (line["job_id"], line["run_id"]) == (job["id"], job["runs"][0]["id"])
        assert line["task"] == "shards.segment"
    assert [line["shard"] for line in recorded] == [0, 1, 2]
    assert len({line["shard_id"] for line in recorded}) == 3
    by_task = {line["task"]: line for line in lines("task.done")}
    assert by_task["jobs.plan"]["job_id"] == job["id"]
    assert by_task["jobs.finish"]["run_id"] == job["runs"][0]["id"]
    (submitted,) = lines("job.submitted")
    assert (submitted["correlation_id"], submitted["job_id"]) == ("asked-by-ann", job["id"])


def test_tasks_sent_again_by_a_sweep_still_name_the_request(engine: Engine) -> None:
    queue = MemoryTaskQueue()
    # a lease shorter than the uptime of the database: none expires before
    services = replace(make_services(engine, MemorySegmenter(), lease=timedelta(seconds=1)), queue=queue)
    app = create_app(services.settings, lambda _: services)
    with bound_contextvars(correlation_id="asked-by-ann"):
        run = start_job(engine, queue, 8, uris=upload(services, 8), shard_size=4)
        claim_one(engine, run, worker="a dead one", lease=timedelta(0))
    with transaction(engine) as session:  # the broker lost the message of the other shard
        session.execute(update(Shard).values(sent_at=text("now() - interval '1 day'")))
    queue.sent.clear()
    with logged() as lines:
        app.tasks[TaskName.SWEEP].apply(throw=True)
        while queue.sent:
            sent = queue.sent.pop(0)
            app.tasks[sent.task].apply(args=sent.args, headers=dict(sent.headers), throw=True)
    (swept,) = lines("sweep.found")
    assert (swept["leases_expired"], swept["shards_resent"]) == (1, 1)
    recorded = lines("shard.recorded")
    assert sorted(line["shard"] for line in recorded) == [0, 1]
    (finished,) = (line for line in lines("task.done") if line["task"] == "jobs.finish")
    assert {line["correlation_id"] for line in (*recorded, finished)} == {"asked-by-ann"}
    assert swept["correlation_id"] != "asked-by-ann"


def test_log_lines_of_a_request_about_a_job_name_the_job(api: Api, tenant: Tenant, folder: Path) -> None:
    with journey(api, tenant) as way:
        job = way.submit(folder, 1, {})
        with logged() as lines:
            path = f"/v1/jobs/{job['id']}"
            way.http.get(path)
            assert lines.wait_for("request.finished", path=path)["job_id"] == job["id"]


def test_the_request_id_passes_through_a_real_broker(engine: Engine, broker_url: str) -> None:
    services = make_services(engine, MemorySegmenter(), broker_url=broker_url)
    app = create_app(services.settings, lambda _: services)
    with (
        start_worker(app, perform_ping_check=False, shutdown_timeout=PATIENCE),
        logged() as lines,
        closing(CeleryTaskQueue(broker_url)) as queue,
    ):
        with bound_contextvars(correlation_id="through redis"):
            queue.send(TaskName.PLAN, "not an id", queue=CONTROL_QUEUE)
        failed = lines.wait_for("task.failed")
    assert (failed["correlation_id"], failed["job_id"]) == ("through redis", "not an id")


def test_the_lease_renewal_thread_logs_the_ids_of_the_shard(engine: Engine) -> None:
    services = make_services(engine, MemorySegmenter())
    run = start_job(engine, services.queue, 1)
    nobody = connect("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    away = make_services(nobody, MemorySegmenter(), lease=timedelta(seconds=0.2))
    keeper_of = partial(LeaseKeeper, away, claim_one(engine, run))
    with logged() as lines, bound_contextvars(run_id=str(run.id)), keeper_of():
        assert lines.wait_for("lease.not_renewed")["run_id"] == str(run.id)
    nobody.dispose()
