from __future__ import annotations

import enum
import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, String, false, text
from sqlalchemy.orm import Mapped, mapped_column

from samfleet.db.base import Base, HasCreatedAt, HasId


class Scope(enum.StrEnum):
    """Rights of a key. Each has those of the ones before it."""

    READ = "read"  # read everything of the tenant
    SUBMIT = "submit"  # and change it: datasets, jobs, prices, webhooks
    ADMIN = "admin"  # and manage the keys and tenants of the whole server

    def covers(self, needed: Scope) -> bool:
        order = list(Scope)
        return order.index(self) >= order.index(needed)


class Tenant(HasId, HasCreatedAt, Base):
    """A tenant. Keys of a disabled one are refused; its jobs go on.

    `weight` is its share of a pool relative to those of the other tenants with work (`samfleet.jobs.sharing`).
    Limits that are None mean the server's default: `max_open_jobs` and `max_open_images`
    (`samfleet.jobs.quotas`), and `requests_per_minute` of its keys together.
    """

    __tablename__ = "tenants"

    name: Mapped[str] = mapped_column(String(100), unique=True)
    weight: Mapped[float] = mapped_column(default=1.0, server_default=text("1"))
    max_open_jobs: Mapped[int | None]
    max_open_images: Mapped[int | None]
    requests_per_minute: Mapped[int | None]
    disabled_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("weight >= 0.01 AND weight <= 100", name="weight"),
        CheckConstraint("max_open_jobs >= 1", name="max_open_jobs"),
        CheckConstraint("max_open_images >= 1", name="max_open_images"),
        CheckConstraint("requests_per_minute >= 1", name="requests_per_minute"),
    )


class ApiKey(HasId, HasCreatedAt, Base):
    """A bearer key. Only its SHA-256 is stored; keys are random, so a slow hash would add nothing.

    `is_admin` and `is_read_only` make up the `scope`. The bootstrap key comes from the settings. `last_used_at` is
    accurate to a minute.
    """

    __tablename__ = "api_keys"

    tenant_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    key_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    is_admin: Mapped[bool] = mapped_column(default=False, server_default=false())
    is_read_only: Mapped[bool] = mapped_column(default=False, server_default=false())
    is_bootstrap: Mapped[bool] = mapped_column(default=False, server_default=false())
    last_used_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    __table_args__ = (CheckConstraint("NOT (is_admin AND is_read_only)", name="scope"),)

    @property
    def scope(self) -> Scope:
        return scope_of_key(is_admin=self.is_admin, is_read_only=self.is_read_only)


def scope_of_key(*, is_admin: bool, is_read_only: bool) -> Scope:
    """Return the scope that the two columns of a key mean."""
    if is_admin:
        return Scope.ADMIN
    return Scope.READ if is_read_only else Scope.SUBMIT


class LoginLink(HasCreatedAt, Base):
    """A link that logs a browser in once, without a key. Only the SHA-256 of its random token is stored."""

    __tablename__ = "login_links"

    token_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    api_key_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("api_keys.id", ondelete="CASCADE"), index=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class BrowserSession(HasId, HasCreatedAt, Base):
    """A login of a browser with a key; it ends with the key. Only the SHA-256 of its random cookie is stored."""

    __tablename__ = "browser_sessions"

    api_key_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("api_keys.id", ondelete="CASCADE"), index=True)
    token_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)
