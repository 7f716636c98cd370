"""Turns of tenants and jobs in a pool; `samfleet.jobs.sharing` defines the numbers and is the only writer.

`clock` is the virtual time of a pool, or of the jobs of one tenant in it. `began` is the virtual time at which the last
claim of a tenant or job began, and `images` what has been charged since.
"""

from __future__ import annotations

import uuid

from sqlalchemy import BigInteger, ForeignKey, String, text
from sqlalchemy.orm import Mapped, mapped_column

from samfleet.db.base import Base


class PoolTurn(Base):
    """The virtual time of a pool. A claim locks this row, so the claims of a pool see each other's charges."""

    __tablename__ = "pool_turns"

    pool: Mapped[str] = mapped_column(String(100), primary_key=True)
    clock: Mapped[float] = mapped_column(default=0.0, server_default=text("0"))


class TenantTurn(Base):
    __tablename__ = "tenant_turns"

    tenant_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True)
    pool: Mapped[str] = mapped_column(String(100), primary_key=True)
    began: Mapped[float]
    images: Mapped[int] = mapped_column(BigInteger)
    clock: Mapped[float] = mapped_column(default=0.0, server_default=text("0"))


class JobTurn(Base):
    __tablename__ = "job_turns"

    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    pool: Mapped[str] = mapped_column(String(100), primary_key=True)
    began: Mapped[float]
    images: Mapped[int] = mapped_column(BigInteger)
