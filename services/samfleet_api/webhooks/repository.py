"""SQL queries for webhooks."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Select, func, select, tuple_, update
from sqlalchemy.orm import Session, aliased

from samfleet.db.models import DeliveryState, Tenant, WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookEvent
from samfleet.db.pages import Place, newest_first


class ListedDelivery(NamedTuple):
    delivery: WebhookDelivery
    event: WebhookEvent
    last: WebhookAttempt | None


def count_locked(session: Session, tenant_id: uuid.UUID) -> int:
    """Count the tenant's webhooks; the tenant is locked, so that two requests cannot exceed the limit together."""
    session.scalars(select(Tenant.id).where(Tenant.id == tenant_id).with_for_update(key_share=True)).one()
    query = select(func.count()).select_from(WebhookEndpoint).where(WebhookEndpoint.tenant_id == tenant_id)
    return session.scalars(query).one()


def page(session: Session, tenant_id: uuid.UUID, *, before: Place | None, limit: int) -> Sequence[WebhookEndpoint]:
    query = select(WebhookEndpoint).where(WebhookEndpoint.tenant_id == tenant_id)
    return session.scalars(newest_first(query, WebhookEndpoint, before=before, limit=limit)).all()


def find(
    session: Session, tenant_id: uuid.UUID, webhook_id: uuid.UUID, *, lock: bool = False
) -> WebhookEndpoint | None:
    query = select(WebhookEndpoint).where(WebhookEndpoint.id == webhook_id, WebhookEndpoint.tenant_id == tenant_id)
    if lock:
        query = query.with_for_update(key_share=True)
    return session.scalars(query.execution_options(populate_existing=lock)).one_or_none()


def deliveries(
    session: Session, webhook_id: uuid.UUID, *, before: Place | None, limit: int
) -> Sequence[ListedDelivery]:
    """Return deliveries, newest first, each with its last attempt."""
    query = _with_last_attempt().where(WebhookDelivery.endpoint_id == webhook_id)
    if before is not None:
        query = query.where(tuple_(WebhookDelivery.created_at, WebhookDelivery.id) < before)
    rows = session.execute(query.order_by(WebhookDelivery.created_at.desc(), WebhookDelivery.id.desc()).limit(limit))
    return [ListedDelivery(delivery, event, last) for delivery, event, last in rows]


def find_delivery(session: Session, webhook_id: uuid.UUID, delivery_id: uuid.UUID) -> ListedDelivery | None:
    query = _with_last_attempt().where(WebhookDelivery.endpoint_id == webhook_id, WebhookDelivery.id == delivery_id)
    row = session.execute(query).one_or_none()
    return ListedDelivery(*row) if row else None


def attempts(session: Session, delivery_id: uuid.UUID) -> Sequence[WebhookAttempt]:
    query = select(WebhookAttempt).where(WebhookAttempt.delivery_id == delivery_id)
    return session.scalars(query.order_by(WebhookAttempt.id)).all()


def send_again(session: Session, webhook_id: uuid.UUID, *conditions: Any) -> Sequence[uuid.UUID]:
    """Make deliveries due now, with a new time for retries. Returns their ids."""
    values = {
        "state": DeliveryState.PENDING,
        "due_at": func.now(),
        "started_at": func.now(),
        "finished_at": None,
    }
    chosen = update(WebhookDelivery).where(WebhookDelivery.endpoint_id == webhook_id, *conditions).values(values)
    return session.scalars(chosen.returning(WebhookDelivery.id)).all()


def _with_last_attempt() -> Select[WebhookDelivery, WebhookEvent, WebhookAttempt]:
    newest = (
        select(WebhookAttempt)
        .where(WebhookAttempt.delivery_id == WebhookDelivery.id)
        .order_by(WebhookAttempt.id.desc())
        .limit(1)
        .correlate(WebhookDelivery)
        .lateral()
    )
    last = aliased(WebhookAttempt, newest)
    return (
        select(WebhookDelivery, WebhookEvent, last)
        .join(WebhookEvent, WebhookEvent.id == WebhookDelivery.event_id)
        .outerjoin(last, last.delivery_id == WebhookDelivery.id)
    )
