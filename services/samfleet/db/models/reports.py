from __future__ import annotations

import uuid
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Numeric,
    String,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from samfleet.db.base import Base
from samfleet.site_names import LOCAL_SITE


class ReportSeries(Base):
    """Key of measurements: a run on one hardware with one checkpoint, on this or another site.

    It copies the fields it needs of its run, job and dataset, because those of another site are not in this database.
    A series of another site has no `run_id` but a `site_id` and `exported_at`, the time of the export. A series of this
    site outlives its job; then it has neither a `run_id` nor a `site_id`.
    `dataset` is a label, unique within a tenant for one content of a dataset (`samfleet.rollups.dataset_labels`);
    `dataset_content` is the hash of that content, None if unknown.
    `parameters_sha256` hashes `parameters`, which must be equal for two figures to be averaged.
    """

    __tablename__ = "report_series"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    tenant_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    site: Mapped[str] = mapped_column(String(100), default=LOCAL_SITE)
    site_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("sites.id", ondelete="CASCADE"))
    exported_at: Mapped[datetime | None]
    run_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("runs.id", ondelete="SET NULL"), index=True)
    origin_run_id: Mapped[uuid.UUID]
    origin_job_id: Mapped[uuid.UUID]
    variant: Mapped[str] = mapped_column(String(100))
    pool: Mapped[str] = mapped_column(String(100))
    dataset: Mapped[str] = mapped_column(String(200))
    dataset_content: Mapped[str | None] = mapped_column(String(64))
    hardware_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("hardware.id"))
    code_version: Mapped[str] = mapped_column(String(64))
    parameters: Mapped[dict[str, Any]] = mapped_column(JSONB)
    parameters_sha256: Mapped[str] = mapped_column(String(64))

    __table_args__ = (
        Index("ix_report_series_tenant", tenant_id, "site", "variant"),
        Index("ix_report_series_dataset", tenant_id, "dataset_content"),
        Index("ix_report_series_origin", tenant_id, "site", "origin_run_id"),
        Index("ix_report_series_site_id", site_id, "origin_run_id"),
        CheckConstraint("site_id IS NULL OR (run_id IS NULL AND exported_at IS NOT NULL)", name="of_a_site"),
    )


class Rollup(Base):
    """Stage times of the images of an hour as a sketch: `counts` by bucket from `first_bucket` on (`samfleet.rollups`).

    `n` images succeeded and went through the stage; `failures` failed in it. The stage `image` covers all stages except
    the queue: its failures are all failures. Only it has `started_at` (the first claim of a shard), `ended_at` (the
    last record) and the sums of quality, energy and load: `energy_j` of all images, `energy_images` that succeeded and
    have an energy; `load_sum` of the `other_load` of the `load_images` that have one; `peak_memory_bytes`, the largest
    of the `memory_images` that have a memory, None without any. Hours are UTC; an image counts in the hour of its
    recording. The database computes `histogram`, the sketch as one number that it can add
    (`samfleet.rollups.histogram`).
    """

    __tablename__ = "rollups"

    series_id: Mapped[int] = mapped_column(ForeignKey("report_series.id", ondelete="CASCADE"), primary_key=True)
    stage: Mapped[str] = mapped_column(String(16), primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    batch_class: Mapped[int] = mapped_column(primary_key=True)
    warmup: Mapped[bool] = mapped_column(primary_key=True)
    n: Mapped[int] = mapped_column(BigInteger, default=0)
    failures: Mapped[int] = mapped_column(BigInteger, default=0)
    sum_ms: Mapped[float] = mapped_column(default=0.0)
    first_bucket: Mapped[int] = mapped_column(default=0)
    counts: Mapped[list[int]] = mapped_column(ARRAY(Integer), default=list)
    histogram: Mapped[Decimal] = mapped_column(
        Numeric, Computed("rollup_histogram(first_bucket, counts)", persisted=True), deferred=True
    )
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    instances: Mapped[int] = mapped_column(BigInteger, default=0)
    iou_sum: Mapped[float] = mapped_column(default=0.0)
    energy_j: Mapped[float] = mapped_column(default=0.0, server_default=text("0"))
    energy_images: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    load_sum: Mapped[float] = mapped_column(default=0.0, server_default=text("0"))
    load_images: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    peak_memory_bytes: Mapped[int | None] = mapped_column(BigInteger)
    memory_images: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))


class HardwarePrice(Base):
    """Price of an hour of a hardware for a tenant."""

    __tablename__ = "hardware_prices"

    tenant_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True)
    hardware_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("hardware.id", ondelete="CASCADE"), primary_key=True)
    per_hour: Mapped[float]
    currency: Mapped[str] = mapped_column(String(3))
