"""Recording of attempts and their consequences. Rows are locked in the order endpoint, delivery."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from samfleet.db.audit import DELIVERY, Action, write_audit
from samfleet.db.models import DeliveryState, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from samfleet.logging import get_logger
from samfleet.webhooks.attempts import Outcome
from samfleet.webhooks.backoff import endpoint_delay, retry_delay
from samfleet.webhooks.outbox import DISABLED, add_event

log = get_logger(__name__)

FAILING = "failing"  # every attempt failed for too long
GONE = "gone"  # the receiver answered 410


@dataclass(frozen=True, slots=True)
class RetryLimits:
    """Time for which a message is retried, and time for which an endpoint may fail before it is disabled."""

    retry_for: timedelta
    disable_after: timedelta


def record(
    session: Session, endpoint_id: uuid.UUID, delivery_id: uuid.UUID, outcome: Outcome, limits: RetryLimits
) -> DeliveryState | None:
    """Log an attempt and set what follows: delivered, another attempt, or failed. Return this state.

    Rows may be deleted meanwhile; then it returns None.
    """
    endpoint = lock_endpoint(session, endpoint_id)
    query = select(WebhookDelivery).where(WebhookDelivery.id == delivery_id).with_for_update(key_share=True)
    delivery = session.scalars(query.execution_options(populate_existing=True)).one_or_none()
    if endpoint is None or delivery is None:
        return None
    session.add(_log_entry(delivery_id, outcome))
    delivery.attempts += 1
    endpoint.attempted_at = func.now()
    if outcome.delivered:
        _finish(delivery, DeliveryState.DELIVERED)
        endpoint.failures, endpoint.failing_since, endpoint.not_before = 0, None, None
    else:
        _plan_retry(session, delivery, outcome, limits)
        endpoint.failures += 1
        endpoint.failing_since = endpoint.failing_since or outcome.at
        endpoint.not_before = func.now() + endpoint_delay(endpoint.failures)
        _disable_if_hopeless(session, endpoint, outcome, limits)
    session.flush()
    return delivery.state


def lock_endpoint(session: Session, endpoint_id: uuid.UUID) -> WebhookEndpoint | None:
    """Return the current endpoint, locked against other changes but not against new deliveries to it."""
    query = select(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id).with_for_update(key_share=True)
    return session.scalars(query.execution_options(populate_existing=True)).one_or_none()


def disable(session: Session, endpoint: WebhookEndpoint, reason: str) -> None:
    """Disable an endpoint by the server and tell the tenant's other endpoints."""
    endpoint.enabled, endpoint.disabled_reason = False, reason
    session.flush()
    log.warning("webhook.disabled", webhook_id=str(endpoint.id), tenant_id=str(endpoint.tenant_id), reason=reason)
    write_audit(session, DELIVERY, Action.WEBHOOK_DISABLED, endpoint.tenant_id, endpoint.id, reason=reason)
    add_event(session, endpoint.tenant_id, DISABLED, partial(_disabled_data, endpoint, reason))


def fail_overdue(session: Session, limits: RetryLimits, most: int) -> int:
    """Fail pending messages whose time for retries is over, as those of disabled endpoints. Return their number."""
    overdue = (
        select(WebhookDelivery.id)
        .where(
            WebhookDelivery.state == DeliveryState.PENDING,
            WebhookDelivery.started_at < func.now() - limits.retry_for,
        )
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    values = {"state": DeliveryState.FAILED, "finished_at": func.now()}
    failed = update(WebhookDelivery).where(WebhookDelivery.id.in_(overdue)).values(values)
    return len(session.scalars(failed.returning(WebhookDelivery.id)).all())


def _plan_retry(session: Session, delivery: WebhookDelivery, outcome: Outcome, limits: RetryLimits) -> None:
    """Set the time of the next attempt, or fail the message if that would be after the time for retries."""
    delay = retry_delay(delivery.attempts, outcome.retry_after)
    over = session.scalar(select(func.now() + delay > delivery.started_at + limits.retry_for))
    if over or outcome.gone:
        _finish(delivery, DeliveryState.FAILED)
    else:
        delivery.due_at = func.now() + delay


def _finish(delivery: WebhookDelivery, state: DeliveryState) -> None:
    delivery.state, delivery.finished_at = state, func.now()


def _disable_if_hopeless(session: Session, endpoint: WebhookEndpoint, outcome: Outcome, limits: RetryLimits) -> None:
    if not endpoint.enabled or endpoint.failing_since is None:
        return
    if outcome.gone:
        disable(session, endpoint, GONE)
    elif outcome.at - endpoint.failing_since >= limits.disable_after:
        disable(session, endpoint, FAILING)


def _disabled_data(endpoint: WebhookEndpoint, reason: str) -> Mapping[str, Any]:
    return {
        "webhook_id": str(endpoint.id),
        "url": endpoint.url,
        "reason": reason,
        "links": {"webhook": f"/v1/webhooks/{endpoint.id}"},
    }


def _log_entry(delivery_id: uuid.UUID, outcome: Outcome) -> WebhookAttempt:
    return WebhookAttempt(
        delivery_id=delivery_id,
        at=outcome.at,
        duration_ms=round(outcome.seconds * 1000),
        status=outcome.status,
        error_code=outcome.error_code,
        error_message=outcome.error_message,
        reply=outcome.reply,
    )
