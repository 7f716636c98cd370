"""SQL queries for the audit trail."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from samfleet.db.audit import Action
from samfleet.db.models import AuditEvent


def page(
    session: Session, *, tenant_id: uuid.UUID | None, action: Action | None, before: int | None, limit: int
) -> Sequence[AuditEvent]:
    """Return entries, newest first. `before` is the id of the last one seen."""
    query = select(AuditEvent)
    if tenant_id is not None:
        query = query.where(AuditEvent.tenant_id == tenant_id)
    if action is not None:
        query = query.where(AuditEvent.action == action.value)
    if before is not None:
        query = query.where(AuditEvent.id < before)
    return session.scalars(query.order_by(AuditEvent.id.desc()).limit(limit)).all()
