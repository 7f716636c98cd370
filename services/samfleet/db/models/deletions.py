from __future__ import annotations

import enum
import uuid
from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, String, func
from sqlalchemy.orm import Mapped, mapped_column

from samfleet.db.base import Base, text_enum


class Deleted(enum.StrEnum):
    JOB = "job"
    DATASET = "dataset"


class Deletion(Base):
    """A deleted job or dataset: what, when, who and why. It stays when the rows and objects are removed.

    `actor` is that of `JobEvent`. The database refuses changes and deletions while the tenant exists.
    """

    __tablename__ = "deletions"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    tenant_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    kind: Mapped[Deleted] = mapped_column(text_enum(Deleted, "kind"))
    subject_id: Mapped[uuid.UUID]
    name: Mapped[str | None] = mapped_column(String(200))
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    actor: Mapped[str] = mapped_column(String(100))
    reason: Mapped[str]

    __table_args__ = (Index("ix_deletions_tenant", tenant_id, "id"),)
