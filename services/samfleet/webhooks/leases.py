"""Leases of endpoints: one task at a time delivers to an endpoint, and few tasks deliver at all.

Deliveries run in the control workers, which also plan and finish jobs. A slow receiver must not take all their threads,
and a tenant with many slow receivers must not keep other tenants waiting.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import exists, func, or_, select, update
from sqlalchemy.orm import Session

from samfleet.db.models import DeliveryState, WebhookDelivery, WebhookEndpoint

MOST_AT_ONCE = 2  # endpoints; half of the default threads of a control worker
_free = or_(WebhookEndpoint.leased_until.is_(None), WebhookEndpoint.leased_until < func.now())
_has_due = exists().where(
    WebhookDelivery.endpoint_id == WebhookEndpoint.id,
    WebhookDelivery.state == DeliveryState.PENDING,
    WebhookDelivery.due_at <= func.now(),
)


class Leased(NamedTuple):
    endpoint_id: uuid.UUID
    lease: uuid.UUID


def lease_endpoints(session: Session, lasts: timedelta) -> list[Leased]:
    """Lease endpoints with due messages, one per tenant, those first that waited longest since their last attempt.

    One process may call it at a time. At most `MOST_AT_ONCE` endpoints are leased afterwards.
    """
    held = select(WebhookEndpoint.tenant_id).where(WebhookEndpoint.leased_until >= func.now())
    busy = set(session.scalars(held))
    rested = or_(WebhookEndpoint.not_before.is_(None), WebhookEndpoint.not_before <= func.now())
    longest = WebhookEndpoint.attempted_at.asc().nulls_first()
    turn = func.row_number().over(partition_by=WebhookEndpoint.tenant_id, order_by=(longest, WebhookEndpoint.id))
    waiting = (
        select(WebhookEndpoint.id, WebhookEndpoint.attempted_at, turn.label("turn"))
        .where(WebhookEndpoint.enabled, _free, rested, _has_due, WebhookEndpoint.tenant_id.not_in(busy))
        .subquery()
    )
    first = select(waiting.c.id).where(waiting.c.turn == 1)
    fairly = first.order_by(waiting.c.attempted_at.asc().nulls_first(), waiting.c.id)
    chosen: Sequence[uuid.UUID] = session.scalars(fairly.limit(max(MOST_AT_ONCE - len(busy), 0))).all()
    leased = [Leased(endpoint_id, uuid.uuid4()) for endpoint_id in chosen]
    for endpoint_id, lease in leased:
        values = {"lease": lease, "leased_until": func.now() + lasts}
        session.execute(update(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id).values(values))
    return leased


def exchange_lease(session: Session, held: Leased, lasts: timedelta) -> Leased | None:
    """Replace a valid lease by a new one; None if it has expired or a second copy of the task has replaced it."""
    new = Leased(held.endpoint_id, uuid.uuid4())
    return new if _update(session, held, lease=new.lease, leased_until=func.now() + lasts) else None


def renew_lease(session: Session, held: Leased, lasts: timedelta) -> bool:
    """Prolong a lease; return False if it is not valid any more."""
    return _update(session, held, leased_until=func.now() + lasts)


def release_lease(session: Session, held: Leased) -> None:
    """End a lease, if it is still this one."""
    _update(session, held, lease=None, leased_until=None)


def _update(session: Session, held: Leased, **values: object) -> bool:
    statement = update(WebhookEndpoint).where(
        WebhookEndpoint.id == held.endpoint_id,
        WebhookEndpoint.lease == held.lease,
        WebhookEndpoint.leased_until >= func.now(),
    )
    return session.scalars(statement.values(values).returning(WebhookEndpoint.id)).one_or_none() is not None
