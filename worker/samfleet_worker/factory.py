from __future__ import annotations

import gc
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from celery import bootsteps, signals

from samfleet.config import Settings
from samfleet.jobs.queue import CONTROL_QUEUE, TaskName, pool_queue
from samfleet.logging import configure_logging, get_logger
from samfleet.predictions.mailbox import RedisMailbox
from samfleet.tracing import configure_tracing
from samfleet.webhooks.tasks import WebhookTask
from samfleet_worker.base import WorkerApp
from samfleet_worker.bootstrap import Services
from samfleet_worker.heartbeat import Heartbeat
from samfleet_worker.liveness import AliveStep
from samfleet_worker.metrics_server import MetricsServer
from samfleet_worker.periodic import PeriodicThread
from samfleet_worker.pool_keeper import pool_keeper
from samfleet_worker.predictions import PredictionThreads
from samfleet_worker.spot_notice import spot_watch
from samfleet_worker.tasks import register_tasks
from samfleet_worker.transaction_watch import transaction_watch
from samfleet_worker.webhook_tasks import register_webhook_tasks

log = get_logger(__name__)

KEEPER_SECONDS = 1.0  # wait for its end: it may be loading a variant, which is no reason to keep shards longer
VISIBILITY_SECONDS = 6 * 3600  # longer than any shard: leases recover lost work, so a second delivery is useless


def create_app(settings: Settings, build: Callable[[Settings], Services]) -> WorkerApp:
    """Create the Celery application of worker and beat; it connects to nothing before a worker starts."""
    configure_tracing(settings.otlp_endpoint, "worker")
    app = WorkerApp(settings, build)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_default_queue=CONTROL_QUEUE,
        task_acks_late=True,
        worker_prefetch_multiplier=1,  # a worker takes what it can start, the rest is for others
        worker_consumer="samfleet_worker.consumer:SilentConsumer",
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,  # the lease decides who works, not the broker
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "visibility_timeout": VISIBILITY_SECONDS,
            "socket_keepalive": True,
            "health_check_interval": 30,
        },
        beat_sync_every=1,  # the schedule file is written with every sweep, which shows that the beat is alive
        timezone="UTC",
        beat_schedule={
            "sweep": _every(settings.sweep_interval, TaskName.SWEEP),
            "clean": _every(settings.clean_interval, TaskName.CLEAN),
            "webhooks": _every(settings.webhook_interval, WebhookTask.DISPATCH),
        },
    )
    register_tasks(app)
    register_webhook_tasks(app)
    app.steps["worker"].add(LifecycleStep)
    app.steps["consumer"].add(AliveStep)

    def configure(**_: Any) -> None:
        configure_logging(settings.log_level, settings.log_format)

    signals.setup_logging.connect(configure, weak=False)
    return app


def _every(interval: timedelta, task: TaskName | WebhookTask) -> dict[str, Any]:
    """Return an entry of the beat's schedule. Its messages expire, so they do not pile up without a worker."""
    options = {"queue": CONTROL_QUEUE, "expires": max(interval.total_seconds(), 1.0)}
    return {"task": task.value, "schedule": interval, "options": options}


class LifecycleStep(bootsteps.StartStopStep):
    """Boot step that starts the services and the heartbeat before the first task, and tells tasks when the worker ends.

    It requires the pool, so Celery stops it before it waits for the pool's running tasks. They find `stopping` set at
    their next image and hand their shards back at once.
    """

    requires = ("celery.worker.components:Pool",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._stops: list[Callable[[], object]] = []

    def start(self, parent: Any) -> None:
        services: Services = parent.app.services
        settings = services.settings
        if settings.metrics_port is not None:
            metrics = MetricsServer(services.engine, settings.metrics_host, settings.metrics_port)
            self._stops.append(metrics.close)
            log.info("metrics.served", url=metrics.url)
        # a process that takes only the control queue serves no pool, so it has no heartbeat
        if pool_queue(settings.pool) in parent.app.amqp.queues.consume_from:
            self._serve_pool(services, parent)
        self._run(transaction_watch(services.engine))
        gc.freeze()  # a collection need not visit the libraries' objects; a shard's masks cause many
        log.info("worker.started", worker=services.worker, pool=settings.pool)

    def _serve_pool(self, services: Services, parent: Any) -> None:
        settings = services.settings
        self._run(Heartbeat(services))
        wait_seconds = settings.predict_timeout.total_seconds()
        predictions = PredictionThreads(services, RedisMailbox(settings.broker_url, wait_seconds))
        self._run(predictions)
        keeper = pool_keeper(services)
        keeper.start()
        self._stops.append(partial(keeper.stop, KEEPER_SECONDS))
        if settings.spot_notice is None:
            return

        def take_no_more() -> None:
            predictions.stop()
            parent.app.control.cancel_consumer(pool_queue(settings.pool), destination=[parent.hostname])

        self._run(spot_watch(services, settings.spot_notice, take_no_more))

    def _run(self, thread: Heartbeat | PredictionThreads | PeriodicThread) -> None:
        thread.start()
        self._stops.append(thread.stop)

    def stop(self, parent: Any) -> None:
        services: Services = parent.app.services
        services.stopping.set()
        while self._stops:
            self._stops.pop()()
        log.info("worker.stopping", worker=services.worker)

    def terminate(self, parent: Any) -> None:
        self.stop(parent)
