"""Endpoints for webhooks of the tenant."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from samfleet.config import Settings
from samfleet.db.audit import Actor
from samfleet.logging import get_logger
from samfleet.outbound.addresses import AddressForbidden, AddressPolicy
from samfleet.outbound.errors import UrlInvalid
from samfleet_api.dependencies import CallerValue, ReadSessionValue, TenantId, WriteSessionValue, get_settings
from samfleet_api.pagination import (
    DEFAULT_LIMIT,
    Cursor,
    CursorInvalid,
    Limit,
    Page,
    cut_page,
    decode_cursor,
    key_in_time,
    place_in_time,
)
from samfleet_api.problems import PayloadTooLarge, problems
from samfleet_api.short_ids import WebhookId
from samfleet_api.strict_json import StrictJsonRoute
from samfleet_api.webhooks import repository
from samfleet_api.webhooks.schemas import CreateWebhook, NewWebhook, UpdateWebhook, Webhook
from samfleet_api.webhooks.service import (
    WebhookLimitReached,
    WebhookNotFound,
    create_webhook,
    delete_webhook,
    get_webhook,
    rotate_secret,
    update_webhook,
)

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], route_class=StrictJsonRoute)
log = get_logger(__name__)


def _policy(settings: Annotated[Settings, Depends(get_settings)]) -> AddressPolicy:
    return AddressPolicy.of(settings.webhook_private_addresses)


Policy = Annotated[AddressPolicy, Depends(_policy)]


@router.post(
    "",
    status_code=201,
    summary="Create a webhook",
    operation_id="webhook_create",
    responses=problems(AddressForbidden, PayloadTooLarge, UrlInvalid, WebhookLimitReached),
)
def create(body: CreateWebhook, caller: CallerValue, policy: Policy, session: WriteSessionValue) -> NewWebhook:
    """Send changes of jobs and runs to a URL. Only this response has the secret; it cannot be read again."""
    row = create_webhook(session, Actor.of_key(session, caller.key_id), caller.tenant_id, body, policy)
    log.info("webhook.created", webhook_id=str(row.id))
    return NewWebhook.of(row, secret=row.secret)


@router.get(
    "",
    summary="List webhooks, newest first",
    operation_id="webhook_list",
    responses=problems(CursorInvalid),
)
def list_webhooks(
    tenant_id: TenantId, session: ReadSessionValue, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Page[Webhook]:
    rows = repository.page(session, tenant_id, before=decode_cursor(cursor, place_in_time), limit=limit + 1)
    kept, following = cut_page(rows, limit, lambda row: key_in_time(row.created_at, row.id))
    return Page(items=[Webhook.of(row) for row in kept], next=following)


@router.get(
    "/{webhook_id}",
    summary="Read a webhook",
    operation_id="webhook_read",
    responses=problems(WebhookNotFound),
)
def read(webhook_id: WebhookId, tenant_id: TenantId, session: ReadSessionValue) -> Webhook:
    return Webhook.of(get_webhook(session, tenant_id, webhook_id))


@router.patch(
    "/{webhook_id}",
    summary="Change a webhook",
    operation_id="webhook_update",
    responses=problems(AddressForbidden, PayloadTooLarge, UrlInvalid, WebhookNotFound),
)
def update(
    webhook_id: WebhookId, body: UpdateWebhook, caller: CallerValue, policy: Policy, session: WriteSessionValue
) -> Webhook:
    """Change the given fields; the others keep their values."""
    row = get_webhook(session, caller.tenant_id, webhook_id, lock=True)
    update_webhook(session, Actor.of_key(session, caller.key_id), row, body, policy)
    log.info("webhook.changed", webhook_id=str(row.id), fields=sorted(body.model_fields_set))
    return Webhook.of(row)


@router.delete(
    "/{webhook_id}",
    status_code=204,
    response_class=Response,
    summary="Delete a webhook",
    operation_id="webhook_delete",
    responses=problems(WebhookNotFound),
)
def delete(webhook_id: WebhookId, caller: CallerValue, session: WriteSessionValue) -> None:
    """Delete a webhook with its pending messages and its log."""
    row = get_webhook(session, caller.tenant_id, webhook_id, lock=True)
    delete_webhook(session, Actor.of_key(session, caller.key_id), row)
    log.info("webhook.deleted", webhook_id=str(webhook_id))


@router.post(
    "/{webhook_id}/secret",
    status_code=201,
    summary="Replace a webhook's secret",
    operation_id="webhook_rotate_secret",
    responses=problems(WebhookNotFound),
)
def rotate(webhook_id: WebhookId, caller: CallerValue, session: WriteSessionValue) -> NewWebhook:
    """Messages are signed with the old and the new secret for a day, so the receiver can change over.

    A second rotation ends the oldest secret at once.
    """
    row = get_webhook(session, caller.tenant_id, webhook_id, lock=True)
    rotate_secret(session, Actor.of_key(session, caller.key_id), row)
    log.info("webhook.secret_rotated", webhook_id=str(row.id))
    return NewWebhook.of(row, secret=row.secret)
