"""Delivery of an endpoint's due messages, one after the other.

A message is read and committed, sent without a transaction, and recorded in another one. A worker that dies in between
leaves it pending: after the lease it is sent again, with the same id.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from samfleet.db.models import DeliveryState, WebhookDelivery, WebhookEndpoint, WebhookEvent
from samfleet.db.session import transaction
from samfleet.metrics import WEBHOOK_ATTEMPTS, WEBHOOK_DELIVERIES
from samfleet.outbound.addresses import AddressPolicy
from samfleet.webhooks.attempts import Message, Outcome, attempt
from samfleet.webhooks.leases import Leased, exchange_lease, release_lease, renew_lease
from samfleet.webhooks.record import RetryLimits, record

PASS_SECONDS = 20.0  # then other endpoints have their turn
LEASE_GRACE = timedelta(seconds=45)  # beyond the time limit of an attempt, for the message and the database

Send = Callable[[Message, AddressPolicy, float], Outcome]


@dataclass(frozen=True, slots=True)
class DeliveryLimits:
    """Limits of deliveries. `timeout` bounds a whole attempt; the log keeps deliveries for `keep_for`."""

    timeout: timedelta
    retry: RetryLimits
    keep_for: timedelta

    @property
    def lease(self) -> timedelta:
        return self.timeout + LEASE_GRACE


def deliver(
    engine: Engine,
    held: Leased,
    policy: AddressPolicy,
    limits: DeliveryLimits,
    *,
    stopping: Callable[[], bool] = lambda: False,
    send: Send = attempt,
) -> int:
    """Send the due messages of a leased endpoint until none is due, one fails, or the pass is over.

    Return the number of attempts. It does nothing if the lease is not valid any more. A failure ends the pass, since
    the next message would most likely fail too.
    """
    with transaction(engine) as session:
        taken = exchange_lease(session, held, limits.lease)
    if taken is None:
        return 0
    end, attempts, alive = time.monotonic() + PASS_SECONDS, 0, True
    while alive and time.monotonic() < end and not stopping():
        with transaction(engine) as session:
            message = _next_message(session, taken.endpoint_id) if renew_lease(session, taken, limits.lease) else None
        if message is None:
            break
        outcome = send(message, policy, limits.timeout.total_seconds())
        with transaction(engine) as session:
            state = record(session, taken.endpoint_id, message.delivery_id, outcome, limits.retry)
        _count(outcome, state)
        attempts, alive = attempts + 1, outcome.delivered
    with transaction(engine) as session:
        release_lease(session, taken)
    return attempts


def _count(outcome: Outcome, state: DeliveryState | None) -> None:
    WEBHOOK_ATTEMPTS.labels(outcome.error_code or DeliveryState.DELIVERED.value).observe(outcome.seconds)
    if state in {DeliveryState.DELIVERED, DeliveryState.FAILED}:
        WEBHOOK_DELIVERIES.labels(state.value).inc()


def _next_message(session: Session, endpoint_id: uuid.UUID) -> Message | None:
    """Return the message that is due longest; None if none is due or the endpoint was disabled."""
    query = (
        select(WebhookDelivery.id, WebhookEvent, WebhookEndpoint)
        .join(WebhookEvent, WebhookEvent.id == WebhookDelivery.event_id)
        .join(WebhookEndpoint, WebhookEndpoint.id == WebhookDelivery.endpoint_id)
        .where(
            WebhookDelivery.endpoint_id == endpoint_id,
            WebhookDelivery.state == DeliveryState.PENDING,
            WebhookDelivery.due_at <= func.now(),
            WebhookEndpoint.enabled,
        )
        .order_by(WebhookDelivery.due_at, WebhookDelivery.id)
        .limit(1)
    )
    row = session.execute(query).one_or_none()
    if row is None:
        return None
    delivery_id, event, endpoint = row
    return Message(delivery_id, event.message_id, event.body, endpoint.url, valid_secrets(endpoint, datetime.now(UTC)))


def valid_secrets(endpoint: WebhookEndpoint, now: datetime) -> tuple[str, ...]:
    """Return the secrets to sign with: the current one, and the previous one until its end."""
    until = endpoint.previous_secret_until
    if endpoint.previous_secret is not None and until is not None and now < until:
        return endpoint.secret, endpoint.previous_secret
    return (endpoint.secret,)
