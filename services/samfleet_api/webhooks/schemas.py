from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StrictBool,
    StringConstraints,
    model_validator,
)

from samfleet.db.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookEvent
from samfleet.jobs.event_types import EVENT_TYPES
from samfleet.outbound.request import MOST_URL_CHARACTERS
from samfleet_api.schemas import Moment, RequestModel, StorableText


def _check_type(text: str) -> str:
    if text not in EVENT_TYPES:
        raise ValueError(f"unknown event type; known are {', '.join(EVENT_TYPES)}")
    return text


EventType = Annotated[str, AfterValidator(_check_type), Field(json_schema_extra={"enum": list(EVENT_TYPES)})]
Url = Annotated[StorableText, StringConstraints(min_length=1, max_length=MOST_URL_CHARACTERS)]
Description = Annotated[StorableText, StringConstraints(max_length=200)]
EventTypes = Annotated[list[EventType], Field(max_length=len(EVENT_TYPES))]

_CREATE: dict[str, JsonValue] = {
    "url": "https://example.com/samfleet",
    "events": ["job.completed", "job.failed"],
    "description": "the labelling pipeline",
}
_WEBHOOK: dict[str, JsonValue] = {
    "id": "3c1f8a2e-7d44-4f0c-9a57-1f2b6a0d9e33",
    **_CREATE,
    "enabled": True,
    "disabled_reason": None,
    "failing_since": None,
    "previous_secret_until": None,
    "created_at": "2026-11-28T10:00:00Z",
}
_ATTEMPT: dict[str, JsonValue] = {
    "at": "2026-11-28T10:05:02Z",
    "duration_ms": 41,
    "status": 503,
    "error_code": "status",
    "error_message": "the reply was 503; the receiver must answer 2xx",
    "reply": "try later",
}
_DELIVERY: dict[str, JsonValue] = {
    "id": "9a0b6c51-52b7-4a38-8a57-7c9d1d6f6a10",
    "message_id": "msg_5f0c0a529b0e4a718d5a0d2f6f0a1c11",
    "type": "job.completed",
    "state": "pending",
    "attempts": 1,
    "created_at": "2026-11-28T10:05:01Z",
    "due_at": "2026-11-28T10:05:08Z",
    "finished_at": None,
    "last_attempt": _ATTEMPT,
}


class CreateWebhook(RequestModel):
    """A new webhook."""

    model_config = ConfigDict(json_schema_extra={"examples": [_CREATE]})

    url: Url = Field(description="An `https://` URL with a public address; messages are sent to it by POST.")
    events: EventTypes = Field(default=[], description="Types to send; empty for all, also future ones.")
    description: Description | None = None
    enabled: StrictBool = True


class UpdateWebhook(RequestModel):
    """Changed fields of a webhook. `enabled: true` also ends the back-off after failures."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"enabled": False}]})

    url: Url | None = None
    events: EventTypes | None = None
    description: Description | None = None
    enabled: StrictBool | None = None

    @model_validator(mode="after")
    def _require_values(self) -> Self:
        """Only the description may be null."""
        empty = sorted(name for name in self.model_fields_set - {"description"} if getattr(self, name) is None)
        if empty:
            raise ValueError(f"{', '.join(empty)} must not be null; leave out what does not change")
        return self


class Webhook(BaseModel):
    """A webhook, without its secret."""

    model_config = ConfigDict(json_schema_extra={"examples": [_WEBHOOK]})

    id: uuid.UUID
    url: str
    events: list[str] = Field(description="Empty: all types.")
    description: str | None
    enabled: bool
    disabled_reason: str | None = Field(
        description="Why the server disabled it: `failing` for days, or `gone` after a reply with 410."
    )
    failing_since: datetime | None = Field(description="The first failure after the last success.")
    previous_secret_until: datetime | None = Field(description="Until then messages are signed with both secrets.")
    created_at: datetime

    @classmethod
    def of(cls, row: WebhookEndpoint, **fields: str) -> Self:
        return cls(
            id=row.id,
            url=row.url,
            events=row.events,
            description=row.description,
            enabled=row.enabled,
            disabled_reason=row.disabled_reason,
            failing_since=row.failing_since,
            previous_secret_until=row.previous_secret_until,
            created_at=row.created_at,
            **fields,
        )


class NewWebhook(Webhook):
    """A webhook with its secret, which is shown only once."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_WEBHOOK, "secret": "whsec_…"}]})

    secret: str = Field(description="Verifies signatures; it cannot be read again, only replaced.")


class Attempt(BaseModel):
    """One request to the receiver."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ATTEMPT]})

    at: datetime
    duration_ms: int
    status: int | None = Field(description="HTTP status of the reply; null if there was none.")
    error_code: str | None = Field(description="Null if the message was delivered.")
    error_message: str | None
    reply: str | None = Field(description="The first 1,024 bytes of the reply's body.")

    @classmethod
    def of(cls, row: WebhookAttempt) -> Self:
        return cls(
            at=row.at,
            duration_ms=row.duration_ms,
            status=row.status,
            error_code=row.error_code,
            error_message=row.error_message,
            reply=row.reply,
        )


class Delivery(BaseModel):
    """A message on its way to one webhook."""

    model_config = ConfigDict(json_schema_extra={"examples": [_DELIVERY]})

    id: uuid.UUID
    message_id: str = Field(description="The header `webhook-id`; the same for every attempt.")
    type: str
    state: str = Field(description="`pending`, `delivered` or `failed`.")
    attempts: int
    created_at: datetime
    due_at: datetime | None = Field(description="The next attempt; null if there is none.")
    finished_at: datetime | None
    last_attempt: Attempt | None

    @classmethod
    def of(cls, row: WebhookDelivery, event: WebhookEvent, last: WebhookAttempt | None, **fields: object) -> Self:
        values = {
            "id": row.id,
            "message_id": event.message_id,
            "type": event.type,
            "state": row.state.value,
            "attempts": row.attempts,
            "created_at": row.created_at,
            "due_at": None if row.finished_at else row.due_at,
            "finished_at": row.finished_at,
            "last_attempt": Attempt.of(last) if last else None,
        }
        return cls.model_validate({**values, **fields})


class DeliveryLog(Delivery):
    """A message with its body and all attempts, oldest first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{**_DELIVERY, "body": '{"type":"job.completed",…}', "attempt_log": [_ATTEMPT]}]}
    )

    body: str = Field(description="The text that was signed and sent.")
    attempt_log: list[Attempt]


class Replay(RequestModel):
    """Choice of messages to send again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"since": "2026-11-28T00:00:00Z", "failed_only": True}]})

    since: Moment = Field(description="Messages written at or after this time.")
    failed_only: StrictBool = Field(default=False, description="Leave out messages that were delivered.")


class Replayed(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"replayed": 3}]})

    replayed: int = Field(description="Number of messages that will be sent again, with their ids.")
