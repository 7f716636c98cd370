"""A periodic pass: find endpoints with due messages and lease them; fail overdue messages; delete old ones."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Engine, delete, exists, func, select
from sqlalchemy.orm import Session

from samfleet.db.locks import try_process_lock
from samfleet.db.models import DeliveryState, WebhookDelivery, WebhookEvent
from samfleet.db.session import transaction
from samfleet.metrics import WEBHOOK_DELIVERIES
from samfleet.webhooks.deliver import DeliveryLimits
from samfleet.webhooks.leases import Leased, lease_endpoints
from samfleet.webhooks.record import fail_overdue

LOCK = "samfleet webhooks"
MOST_ROWS = 500  # a pass changes at most so many of each kind


@dataclass(frozen=True, slots=True)
class Dispatched:
    """Outcome of a pass. A task must be sent for each leased endpoint."""

    leased: list[Leased] = field(default_factory=list)
    failed: int = 0
    deleted: int = 0


def dispatch_webhooks(engine: Engine, limits: DeliveryLimits) -> Dispatched:
    """Run a pass, unless another process runs one."""
    with try_process_lock(engine, LOCK) as held:
        if not held:
            return Dispatched()
        with transaction(engine) as session:
            failed = fail_overdue(session, limits.retry, MOST_ROWS)
            deleted = _delete_old(session, limits)
        WEBHOOK_DELIVERIES.labels(DeliveryState.FAILED.value).inc(failed)
        with transaction(engine) as session:
            leased = lease_endpoints(session, limits.lease)
    return Dispatched(leased, failed, deleted)


def _delete_old(session: Session, limits: DeliveryLimits) -> int:
    """Delete old events with their deliveries and attempts, except those that are still to be sent."""
    pending = exists().where(
        WebhookDelivery.event_id == WebhookEvent.id, WebhookDelivery.state == DeliveryState.PENDING
    )
    old = (
        select(WebhookEvent.id)
        .where(WebhookEvent.created_at < func.now() - limits.keep_for, ~pending)
        .order_by(WebhookEvent.created_at)
        .limit(MOST_ROWS)
    )
    deleted = delete(WebhookEvent).where(WebhookEvent.id.in_(old)).returning(WebhookEvent.id)
    return len(session.scalars(deleted).all())
