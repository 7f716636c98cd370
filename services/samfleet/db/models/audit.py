from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Identity, Index, String, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from samfleet.db.base import Base


class AuditEvent(Base):
    """One change of a key, tenant or webhook, or a requested pull of weights: who asked for what, and when.

    It repeats names instead of referring to rows, so that it outlives them. `actor_key_id` is None for changes that the
    server made; `actor` says then which part. It never has secrets.
    """

    __tablename__ = "audit_events"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    actor_key_id: Mapped[uuid.UUID | None]
    actor: Mapped[str] = mapped_column(String(100))
    action: Mapped[str] = mapped_column(String(64), index=True)
    tenant_id: Mapped[uuid.UUID]  # owner of the subject
    tenant: Mapped[str] = mapped_column(String(100))
    subject_id: Mapped[uuid.UUID]
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default=text("'{}'"))

    __table_args__ = (Index("ix_audit_events_tenant", "tenant_id", "id"),)
