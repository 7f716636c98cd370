from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, Double, ForeignKey, String, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from samfleet.db.base import Base, HasCreatedAt, HasId


class Site(HasId, HasCreatedAt, Base):
    """Another samfleet server whose measurements a tenant imports.

    Its public key identifies it; its name is a label that may change. `public_key` is 64 hexadecimal digits (Ed25519).
    `exported_at` is the export time of the newest imported file, by the clock of that site.
    """

    __tablename__ = "sites"

    tenant_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(64))
    public_key: Mapped[str] = mapped_column(String(64))
    exported_at: Mapped[datetime]
    imported_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint(tenant_id, name), UniqueConstraint(tenant_id, "public_key"))


class SeriesQuality(Base):
    """Quality figure of a run that is deleted or belongs to another site. `RunQuality` has those of the other runs."""

    __tablename__ = "series_quality"

    series_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("report_series.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    metric: Mapped[str] = mapped_column(String(16), primary_key=True)
    area: Mapped[str] = mapped_column(String(16), primary_key=True)
    max_detections: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    value: Mapped[float]
    instances: Mapped[int]
    replicates: Mapped[list[float] | None] = mapped_column(ARRAY(Double))  # with resampled images
