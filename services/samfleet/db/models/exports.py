from __future__ import annotations

import enum
import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from samfleet.db.base import Base, HasCreatedAt, HasId, text_enum


class ExportState(enum.StrEnum):
    """`samfleet.jobs.built_rows` has the allowed transitions."""

    QUEUED = "queued"  # a task was sent for it
    RUNNING = "running"  # a worker builds it
    COMPLETED = "completed"  # its file is in the store
    FAILED = "failed"  # `error_code` says why


class Export(HasId, HasCreatedAt, Base):
    """A file made of a run's results, in one format with its options.

    `parts_version` identifies the parts of the run that it is made of: after a retry the run has others.
    `review_version` is that of the run's review, for a file that shows or follows it: at the request, then in the file.
    `request_sha256` is equal for equal requests on the same parts; only failed exports are built again by a new row.
    `token` is the fencing token: it grows with every claim, and only the holder of the newest one may complete.
    `lost` counts the workers that fell silent. `sent_at` is when a task was last sent, or the last sign of life of
    the worker. `progress` is the share of the images read. The columns of the file are set when it is complete.
    """

    __tablename__ = "exports"

    run_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    format: Mapped[str] = mapped_column(String(64))
    options: Mapped[dict[str, Any]] = mapped_column(JSONB)
    parts_version: Mapped[str] = mapped_column(String(64))
    review_version: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    request_sha256: Mapped[str] = mapped_column(String(64))
    state: Mapped[ExportState] = mapped_column(text_enum(ExportState, "state"), default=ExportState.QUEUED)
    progress: Mapped[float] = mapped_column(default=0.0, server_default=text("0"))
    token: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    lost: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    keep_days: Mapped[int | None]  # after its end; None: as long as its job
    correlation_id: Mapped[str | None] = mapped_column(String(128))  # of the request, for the logs
    key: Mapped[str | None] = mapped_column(String(200))
    bytes: Mapped[int | None] = mapped_column(BigInteger)
    sha256: Mapped[str | None] = mapped_column(String(64))
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None]
    sent_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("(state = 'completed') = (key IS NOT NULL)", name="key"),
        CheckConstraint("(key IS NULL) = (bytes IS NULL) AND (key IS NULL) = (sha256 IS NULL)", name="file"),
        Index(
            "uq_exports_request", "run_id", "request_sha256", unique=True, postgresql_where=text("state <> 'failed'")
        ),
        Index("ix_exports_page", "run_id", "created_at", "id"),
        Index("ix_exports_open", "state", "sent_at", postgresql_where=text("state IN ('queued', 'running')")),
        Index("ix_exports_kept", "finished_at", postgresql_where=text("keep_days IS NOT NULL")),
    )
