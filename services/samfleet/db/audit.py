"""The audit trail: entries are written in the transaction of the change, and never changed."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from sqlalchemy import select
from sqlalchemy.orm import Session

from samfleet.db.models import ApiKey, AuditEvent, Tenant


class Action(StrEnum):
    KEY_CREATED = "key.created"
    KEY_REVOKED = "key.revoked"
    TENANT_CREATED = "tenant.created"
    TENANT_CHANGED = "tenant.changed"
    TENANT_DISABLED = "tenant.disabled"
    TENANT_ENABLED = "tenant.enabled"
    WEIGHTS_PULL_REQUESTED = "weights.pull_requested"
    WEIGHTS_PULL_CANCELLED = "weights.pull_cancelled"
    WEBHOOK_CREATED = "webhook.created"
    WEBHOOK_CHANGED = "webhook.changed"
    WEBHOOK_DELETED = "webhook.deleted"
    WEBHOOK_DISABLED = "webhook.disabled"
    WEBHOOK_SECRET_ROTATED = "webhook.secret_rotated"  # noqa: S105 - the name of an action


@dataclass(frozen=True, slots=True)
class Actor:
    """The key that made a change, or a part of the server."""

    name: str
    key_id: uuid.UUID | None = None

    @classmethod
    def of_key(cls, session: Session, key_id: uuid.UUID) -> Self:
        return cls(session.scalars(select(ApiKey.name).where(ApiKey.id == key_id)).one(), key_id)


MIGRATION = Actor("migration step")
DELIVERY = Actor("delivery of webhooks")


def write_audit(
    session: Session, actor: Actor, action: Action, tenant_id: uuid.UUID, subject_id: uuid.UUID, **detail: Any
) -> None:
    """Write an entry. `detail` must be JSON without secrets."""
    session.add(
        AuditEvent(
            actor_key_id=actor.key_id,
            actor=actor.name,
            action=action.value,
            tenant_id=tenant_id,
            tenant=session.scalars(select(Tenant.name).where(Tenant.id == tenant_id)).one(),
            subject_id=subject_id,
            detail=detail,
        )
    )
    session.flush()
