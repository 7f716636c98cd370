"""Endpoints for the deliveries of a webhook: the log, tests and replays."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter, Path

from samfleet_api.dependencies import ReadSessionValue, TenantId, WriteSessionValue
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
from samfleet_api.webhooks.schemas import Attempt, Delivery, DeliveryLog, Replay, Replayed
from samfleet_api.webhooks.service import (
    DeliveryNotFound,
    WebhookDisabled,
    WebhookNotFound,
    get_delivery,
    get_webhook,
    replay_delivery,
    replay_since,
    send_test,
)

router = APIRouter(prefix="/v1/webhooks/{webhook_id}", tags=["webhooks"], route_class=StrictJsonRoute)

DeliveryId = Annotated[uuid.UUID, Path(description="Id in the list of deliveries.")]


@router.post(
    "/test",
    status_code=202,
    summary="Send a test message",
    operation_id="webhook_test",
    responses=problems(WebhookDisabled, WebhookNotFound),
)
def test(webhook_id: WebhookId, tenant_id: TenantId, session: WriteSessionValue) -> Delivery:
    """Send a message of the type `webhook.test`, whatever types the webhook receives."""
    delivery_id = send_test(session, tenant_id, webhook_id)
    return Delivery.of(*get_delivery(session, webhook_id, delivery_id))


@router.post(
    "/replay",
    status_code=202,
    summary="Send messages again",
    operation_id="webhook_replay",
    responses=problems(PayloadTooLarge, WebhookDisabled, WebhookNotFound),
)
def replay(webhook_id: WebhookId, body: Replay, tenant_id: TenantId, session: WriteSessionValue) -> Replayed:
    """Send all messages since a time again, with their ids, so that a receiver can leave out those that it knows."""
    return Replayed(replayed=replay_since(session, tenant_id, webhook_id, body))


@router.get(
    "/deliveries",
    summary="List deliveries, newest first",
    operation_id="webhook_list_deliveries",
    responses=problems(CursorInvalid, WebhookNotFound),
)
def list_deliveries(
    webhook_id: WebhookId,
    tenant_id: TenantId,
    session: ReadSessionValue,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[Delivery]:
    """List messages of this webhook with their last attempts, as long as the server keeps them."""
    get_webhook(session, tenant_id, webhook_id)
    rows = repository.deliveries(session, webhook_id, before=decode_cursor(cursor, place_in_time), limit=limit + 1)
    kept, following = cut_page(rows, limit, lambda row: key_in_time(row.delivery.created_at, row.delivery.id))
    return Page(items=[Delivery.of(*row) for row in kept], next=following)


@router.get(
    "/deliveries/{delivery_id}",
    summary="Read a delivery",
    operation_id="webhook_read_delivery",
    responses=problems(DeliveryNotFound, WebhookNotFound),
)
def read_delivery(
    webhook_id: WebhookId, delivery_id: DeliveryId, tenant_id: TenantId, session: ReadSessionValue
) -> DeliveryLog:
    """Read a message with its body and all attempts."""
    get_webhook(session, tenant_id, webhook_id)
    found = get_delivery(session, webhook_id, delivery_id)
    attempts = [Attempt.of(row) for row in repository.attempts(session, delivery_id)]
    return DeliveryLog.of(*found, body=found.event.body, attempt_log=attempts)


@router.post(
    "/deliveries/{delivery_id}/replay",
    status_code=202,
    summary="Send one message again",
    operation_id="webhook_replay_delivery",
    responses=problems(DeliveryNotFound, WebhookDisabled, WebhookNotFound),
)
def replay_one(
    webhook_id: WebhookId, delivery_id: DeliveryId, tenant_id: TenantId, session: WriteSessionValue
) -> Delivery:
    """Send the message again with its id, also if it was delivered."""
    return Delivery.of(*replay_delivery(session, tenant_id, webhook_id, delivery_id))
