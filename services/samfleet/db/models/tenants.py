from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from samfleet.db.base import Base, HasCreatedAt, HasId


class Tenant(HasId, HasCreatedAt, Base):
    __tablename__ = "tenants"

    name: Mapped[str] = mapped_column(String(100), unique=True)


class ApiKey(HasId, HasCreatedAt, Base):
    """A bearer key; only the SHA-256 of it is kept (keys are random, so a slow hash would add nothing)."""

    __tablename__ = "api_keys"

    tenant_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    key_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    revoked_at: Mapped[datetime | None]


class BrowserSession(HasId, HasCreatedAt, Base):
    """A browser that logged in with a key, and ends with it. Of its random cookie only the SHA-256 is kept."""

    __tablename__ = "browser_sessions"

    api_key_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("api_keys.id", ondelete="CASCADE"), index=True)
    token_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)
