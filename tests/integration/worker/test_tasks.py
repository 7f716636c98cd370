from __future__ import annotations

import uuid

import pytest
from sqlalchemy import Engine, select
from structlog.testing import capture_logs

from fixtures.worker.job_rows import make_dataset, make_job, reload, results_of
from fixtures.worker.worker_services import make_services, upload
from samfleet.config import Settings
from samfleet.db.models import JobState, Run
from samfleet.db.session import transaction
from samfleet.jobs.queue import MemoryTaskQueue, TaskName
from samfleet_worker.base import WorkerApp
from samfleet_worker.bootstrap import PoolNotConfigured, Services, bootstrap
from samfleet_worker.factory import create_app
from samfleet_worker.triton.memory_segmenter import MemorySegmenter


def app_of(services: Services) -> WorkerApp:
    return create_app(services.settings, lambda _: services)


def pump(app: WorkerApp, queue: MemoryTaskQueue) -> list[str]:
    """Execute sent tasks in order until no more are sent, and return their names."""
    names = []
    while queue.sent:
        sent = queue.sent.pop(0)
        names.append(sent.task)
        app.tasks[sent.task].apply(args=sent.args, throw=True)
    return names


def test_messages_drive_a_job_from_submission_to_its_end(engine: Engine) -> None:
    services = make_services(engine, MemorySegmenter(), shards_in_flight=1)
    assert isinstance(services.queue, MemoryTaskQueue)
    with transaction(engine) as session:
        dataset = make_dataset(session, 10, uris=upload(services, 10))
        job = make_job(session, services.queue, dataset)
        run = session.scalars(select(Run).where(Run.job_id == job.id)).one()
    names = pump(app_of(services), services.queue)
    assert names == ["jobs.plan", "shards.segment", "shards.segment", "shards.segment", "jobs.finish"]
    assert reload(engine, run)[0].state is JobState.COMPLETED
    assert len(results_of(engine, run)) == 10


def test_every_task_name_has_a_task(engine: Engine) -> None:
    app = app_of(make_services(engine, MemorySegmenter()))
    assert set(TaskName) <= set(app.tasks)
    assert all(app.tasks[name].acks_late for name in TaskName)
    assert app.conf.beat_schedule["sweep"]["task"] == TaskName.SWEEP


def test_a_failed_task_is_logged_and_left_to_the_sweeper(engine: Engine) -> None:
    services = make_services(engine, MemorySegmenter())
    app = app_of(services)
    with capture_logs() as logs:
        app.tasks[TaskName.PLAN].apply(args=("not an id",), throw=True)
    assert [(line["event"], line["log_level"], line["arguments"]) for line in logs] == [
        ("task.failed", "error", ("not an id",))
    ]
    for name in (TaskName.PLAN, TaskName.DISPATCH, TaskName.FINISH):
        app.tasks[name].apply(args=(str(uuid.uuid4()),), throw=True)  # deleted in between: nothing to do


def test_a_sweep_of_an_idle_system_logs_nothing(engine: Engine) -> None:
    app = app_of(make_services(engine, MemorySegmenter()))
    with capture_logs() as logs:
        app.tasks[TaskName.SWEEP].apply(throw=True)
    assert [line["event"] for line in logs if line["log_level"] != "debug"] == []


def test_a_pool_missing_in_the_settings_is_refused_at_start() -> None:
    with pytest.raises(PoolNotConfigured, match="has only default"):
        bootstrap(Settings(pool="moon"))


def test_services_are_built_without_connecting() -> None:
    settings = Settings(
        database_url="postgresql+psycopg://nobody@127.0.0.1:1/x",
        broker_url="redis://127.0.0.1:1/0",
        storage_url="file:///nowhere",
        pools={"default": ("127.0.0.1:1",)},
    )
    built: list[Services] = []

    def build(given: Settings) -> Services:
        built.append(bootstrap(given))
        return built[-1]

    app = create_app(settings, build)
    assert built == []
    assert app.services is app.services
    assert len(built) == 1
    built[0].segmenter.close()
