from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from sqlalchemy.orm import Session

from samfleet.db.audit import Action, Actor, write_audit
from samfleet.db.models import DeliveryState, WebhookDelivery, WebhookEndpoint
from samfleet.errors import Conflict, NotFound
from samfleet.outbound.addresses import AddressPolicy
from samfleet.outbound.request import check_url
from samfleet.webhooks.outbox import TEST, add_for
from samfleet.webhooks.signatures import new_secret
from samfleet_api.webhooks import repository
from samfleet_api.webhooks.schemas import CreateWebhook, Replay, UpdateWebhook

MOST_WEBHOOKS = 20  # of one tenant; each change of a job is written once for each of them
PREVIOUS_SECRET_VALID = timedelta(days=1)


class WebhookNotFound(NotFound):
    """There is no webhook with this id; GET /v1/webhooks lists yours."""

    code = "webhook_not_found"


class DeliveryNotFound(NotFound):
    """This webhook has no delivery with this id; GET /v1/webhooks/{id}/deliveries lists them."""

    code = "delivery_not_found"


class WebhookLimitReached(Conflict):
    """A tenant may have 20 webhooks; delete one first."""

    code = "webhook_limit_reached"


class WebhookDisabled(Conflict):
    """The webhook is disabled, so nothing is sent to it; enable it first."""

    code = "webhook_disabled"


def create_webhook(
    session: Session, actor: Actor, tenant_id: uuid.UUID, body: CreateWebhook, policy: AddressPolicy
) -> WebhookEndpoint:
    check_url(body.url, policy)
    if repository.count_locked(session, tenant_id) >= MOST_WEBHOOKS:
        raise WebhookLimitReached
    row = WebhookEndpoint(
        tenant_id=tenant_id,
        url=body.url,
        events=sorted(set(body.events)),
        description=body.description,
        enabled=body.enabled,
        secret=new_secret(),
    )
    session.add(row)
    session.flush()
    write_audit(session, actor, Action.WEBHOOK_CREATED, tenant_id, row.id, **audited_fields(row))
    return row


def get_webhook(
    session: Session, tenant_id: uuid.UUID, webhook_id: uuid.UUID, *, lock: bool = False
) -> WebhookEndpoint:
    row = repository.find(session, tenant_id, webhook_id, lock=lock)
    if row is None:
        raise WebhookNotFound(f"there is no webhook {webhook_id}; GET /v1/webhooks lists yours")
    return row


def update_webhook(
    session: Session,
    actor: Actor,
    row: WebhookEndpoint,
    body: UpdateWebhook,
    policy: AddressPolicy,
) -> WebhookEndpoint:
    """Change the given fields of a locked webhook. A new URL, or enabling, forgets earlier failures."""
    before = audited_fields(row)
    given = body.model_dump(include=body.model_fields_set)
    if body.url is not None:
        check_url(body.url, policy)
    if body.events is not None:
        given["events"] = sorted(set(body.events))
    moved = body.url not in {None, row.url}
    for name, value in given.items():
        setattr(row, name, value)
    if body.enabled or moved:
        row.failures, row.failing_since, row.not_before = 0, None, None
    if body.enabled is not None:
        row.disabled_reason = None
    session.flush()
    changes = {name: [before[name], value] for name, value in audited_fields(row).items() if before[name] != value}
    if changes or moved:
        write_audit(session, actor, Action.WEBHOOK_CHANGED, row.tenant_id, row.id, changes=changes, new_url=moved)
    return row


def delete_webhook(session: Session, actor: Actor, row: WebhookEndpoint) -> None:
    """Delete a locked webhook with its deliveries and their log."""
    write_audit(session, actor, Action.WEBHOOK_DELETED, row.tenant_id, row.id, **audited_fields(row))
    session.delete(row)
    session.flush()


def rotate_secret(session: Session, actor: Actor, row: WebhookEndpoint) -> WebhookEndpoint:
    """Set a new secret. Messages are signed with both for a day; a second rotation drops the older one at once."""
    row.previous_secret, row.secret = row.secret, new_secret()
    row.previous_secret_until = datetime.now(UTC) + PREVIOUS_SECRET_VALID
    session.flush()
    write_audit(session, actor, Action.WEBHOOK_SECRET_ROTATED, row.tenant_id, row.id)
    return row


def audited_fields(row: WebhookEndpoint) -> dict[str, Any]:
    """Return the fields that the audit trail shows. Of the URL it shows the host: the rest may have a secret."""
    url = httpx.URL(row.url)
    return {
        "host": f"{url.scheme}://{url.netloc.decode()}",
        "events": row.events,
        "description": row.description,
        "enabled": row.enabled,
    }


def send_test(session: Session, tenant_id: uuid.UUID, webhook_id: uuid.UUID) -> uuid.UUID:
    """Write a message of the type `webhook.test` for this webhook. Returns the id of its delivery."""
    row = _enabled(session, tenant_id, webhook_id)
    links = {"webhook": f"/v1/webhooks/{row.id}"}
    event = add_for(session, tenant_id, TEST, {"webhook_id": str(row.id), "links": links}, [row.id])
    (sent,) = repository.send_again(session, row.id, WebhookDelivery.event_id == event.id)
    return sent


def replay_delivery(
    session: Session, tenant_id: uuid.UUID, webhook_id: uuid.UUID, delivery_id: uuid.UUID
) -> repository.ListedDelivery:
    row = _enabled(session, tenant_id, webhook_id)
    repository.send_again(session, row.id, WebhookDelivery.id == delivery_id)
    return get_delivery(session, row.id, delivery_id)


def replay_since(session: Session, tenant_id: uuid.UUID, webhook_id: uuid.UUID, body: Replay) -> int:
    row = _enabled(session, tenant_id, webhook_id)
    chosen = [WebhookDelivery.created_at >= body.since]
    if body.failed_only:
        chosen.append(WebhookDelivery.state == DeliveryState.FAILED)
    return len(repository.send_again(session, row.id, *chosen))


def get_delivery(session: Session, webhook_id: uuid.UUID, delivery_id: uuid.UUID) -> repository.ListedDelivery:
    found = repository.find_delivery(session, webhook_id, delivery_id)
    if found is None:
        raise DeliveryNotFound(
            f"webhook {webhook_id} has no delivery {delivery_id}; GET /v1/webhooks/{webhook_id}/deliveries lists them"
        )
    return found


def _enabled(session: Session, tenant_id: uuid.UUID, webhook_id: uuid.UUID) -> WebhookEndpoint:
    """Return the locked webhook and end its back-off, so that a requested message is sent at once."""
    row = get_webhook(session, tenant_id, webhook_id, lock=True)
    if not row.enabled:
        raise WebhookDisabled(f"webhook {webhook_id} is disabled, so nothing is sent to it; enable it first")
    row.not_before = None
    session.flush()
    return row
