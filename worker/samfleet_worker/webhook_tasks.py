"""The tasks of webhooks: thin wrappers, as in `tasks`. Both run in the control workers."""

from __future__ import annotations

import uuid

from samfleet.config import Settings
from samfleet.jobs.queue import CONTROL_QUEUE, QueueUnavailable
from samfleet.logging import get_logger
from samfleet.outbound.addresses import AddressPolicy
from samfleet.webhooks.deliver import DeliveryLimits, deliver
from samfleet.webhooks.dispatch import dispatch_webhooks
from samfleet.webhooks.leases import Leased
from samfleet.webhooks.record import RetryLimits
from samfleet.webhooks.tasks import WebhookTask
from samfleet_worker.base import SamfleetTask, WorkerApp
from samfleet_worker.bootstrap import Services

log = get_logger(__name__)


def register_webhook_tasks(app: WorkerApp) -> None:
    @app.task(name=WebhookTask.DISPATCH.value, base=SamfleetTask, bind=True, acks_late=True, shared=False)
    def dispatch(self: SamfleetTask) -> None:
        dispatch_and_send(self.services)

    @app.task(name=WebhookTask.DELIVER.value, base=SamfleetTask, bind=True, acks_late=True, shared=False)
    def deliver_due(self: SamfleetTask, endpoint_id: str, lease: str) -> None:
        services = self.services
        deliver(
            services.engine,
            Leased(uuid.UUID(endpoint_id), uuid.UUID(lease)),
            AddressPolicy.of(services.settings.webhook_private_addresses),
            delivery_limits(services.settings),
            stopping=services.stopping.is_set,
        )


def dispatch_and_send(services: Services) -> None:
    """Run a pass and send a task for each leased endpoint. If the broker is away, the lease expires and a later pass
    leases the endpoint again.
    """
    found = dispatch_webhooks(services.engine, delivery_limits(services.settings))
    if found.failed or found.deleted:
        log.info("webhooks.swept", failed=found.failed, deleted=found.deleted)
    for leased in found.leased:
        try:
            services.queue.send(WebhookTask.DELIVER, str(leased.endpoint_id), str(leased.lease), queue=CONTROL_QUEUE)
        except QueueUnavailable as error:
            log.warning("queue.unavailable", task=WebhookTask.DELIVER.value, reason=error.message)


def delivery_limits(settings: Settings) -> DeliveryLimits:
    return DeliveryLimits(
        timeout=settings.webhook_timeout,
        retry=RetryLimits(settings.webhook_retry_for, settings.webhook_disable_after),
        keep_for=settings.webhook_retention,
    )
