from __future__ import annotations

import enum
import uuid
from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, String, func, text
from sqlalchemy.orm import Mapped, mapped_column

from samfleet.db.base import Base, text_enum


class LogLevel(enum.StrEnum):
    INFO = "info"
    WARNING = "warning"  # something failed that is tried again, or single images failed
    ERROR = "error"  # a run or the job failed


class JobLogLine(Base):
    """A line of a job's log: what the service did for the job, and what it met.

    Every writer holds the row lock of the job, so lines commit in the order of their ids, and a reader that asks for
    ids above the last one misses none. `code` is stable; `shard` is the index of the shard.
    """

    __tablename__ = "job_log"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    run_id: Mapped[uuid.UUID | None]
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    level: Mapped[LogLevel] = mapped_column(text_enum(LogLevel, "level"))
    code: Mapped[str] = mapped_column(String(64))
    message: Mapped[str]
    shard: Mapped[int | None]

    __table_args__ = (
        Index("ix_job_log_job", job_id, "id"),
        Index("ix_job_log_problems", job_id, "id", postgresql_where=text("level <> 'info'")),
    )
