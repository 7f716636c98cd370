"""The two Celery tasks, called as a worker calls them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from fixtures.servers.receiver import Receiver, reply
from fixtures.worker.metric_changes import sampled
from fixtures.worker.webhook_rows import add_endpoint, add_tenant, announce, let_time_pass, states
from fixtures.worker.worker_services import make_services, sent
from samfleet.db.models import DeliveryState
from samfleet.jobs.queue import CONTROL_QUEUE, MemoryTaskQueue
from samfleet.webhooks.tasks import WebhookTask
from samfleet_worker.base import WorkerApp
from samfleet_worker.bootstrap import Services
from samfleet_worker.factory import create_app
from samfleet_worker.triton.memory_segmenter import MemorySegmenter
from samfleet_worker.webhook_tasks import delivery_limits


@pytest.fixture
def services(engine: Engine) -> Services:
    return make_services(engine, MemorySegmenter(), webhook_private_addresses="127.0.0.0/8")


@pytest.fixture
def app(services: Services) -> Iterator[WorkerApp]:
    app = create_app(services.settings, lambda _settings: services)
    yield app
    app.close()


def test_the_tasks_deliver_a_message(app: WorkerApp, services: Services, receiver: Receiver) -> None:
    endpoint = add_endpoint(services.engine, add_tenant(services.engine), receiver.url)
    announce(services.engine, endpoint.tenant_id)
    app.tasks[WebhookTask.DISPATCH].apply()
    (task,) = sent(services)
    assert (task.task, task.queue, task.args[0]) == (WebhookTask.DELIVER, CONTROL_QUEUE, str(endpoint.id))
    with sampled() as change:
        app.tasks[WebhookTask.DELIVER].apply(args=task.args)
    assert change("samfleet_webhook_deliveries_total", outcome="delivered") == 1
    assert change("samfleet_webhook_attempt_duration_seconds_count", outcome="delivered") == 1
    assert len(receiver.requests) == 1
    assert states(services.engine) == [DeliveryState.DELIVERED]


def test_failed_attempts_and_messages_are_counted(app: WorkerApp, services: Services, receiver: Receiver) -> None:
    endpoint = add_endpoint(services.engine, add_tenant(services.engine), receiver.url)
    announce(services.engine, endpoint.tenant_id)
    receiver.behave(reply(503))
    app.tasks[WebhookTask.DISPATCH].apply()
    (task,) = sent(services)
    with sampled() as change:
        app.tasks[WebhookTask.DELIVER].apply(args=task.args)
    assert change("samfleet_webhook_attempt_duration_seconds_count", outcome="status") == 1
    assert change("samfleet_webhook_deliveries_total", outcome="failed") == 0  # it is tried again
    let_time_pass(services.engine, services.settings.webhook_retry_for + timedelta(minutes=1))
    with sampled() as change:
        app.tasks[WebhookTask.DISPATCH].apply()
    assert change("samfleet_webhook_deliveries_total", outcome="failed") == 1
    assert states(services.engine) == [DeliveryState.FAILED]


def test_a_broker_that_is_away_only_delays_a_message(app: WorkerApp, services: Services, receiver: Receiver) -> None:
    endpoint = add_endpoint(services.engine, add_tenant(services.engine), receiver.url)
    announce(services.engine, endpoint.tenant_id)
    assert isinstance(services.queue, MemoryTaskQueue)
    services.queue.down = True
    app.tasks[WebhookTask.DISPATCH].apply()
    services.queue.down = False
    app.tasks[WebhookTask.DISPATCH].apply()
    assert sent(services) == []
    let_time_pass(services.engine, delivery_limits(services.settings).lease)
    app.tasks[WebhookTask.DISPATCH].apply()
    assert len(sent(services)) == 1


def test_beat_sends_the_pass_to_the_control_queue(app: WorkerApp) -> None:
    entry = app.conf.beat_schedule["webhooks"]
    assert (entry["task"], entry["options"]["queue"]) == (WebhookTask.DISPATCH, CONTROL_QUEUE)
