from __future__ import annotations

import enum
from datetime import datetime

from sqlalchemy import BigInteger, String, func, text
from sqlalchemy.orm import Mapped, mapped_column

from samfleet.db.base import Base, HasId, text_enum


class PullState(enum.StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class WeightPull(HasId, Base):
    """The last pull of a variant's weights into the server's weights folder. All tenants share it.

    `seen_at` is the last sign of life of the worker; `claims` counts the workers that began it. `done_bytes` and
    `total_bytes` are those of the `file` that is transferred; the total is None if unknown.
    """

    __tablename__ = "weight_pulls"

    variant: Mapped[str] = mapped_column(String(100), unique=True)
    state: Mapped[PullState] = mapped_column(text_enum(PullState, "state"), default=PullState.QUEUED)
    file: Mapped[str | None] = mapped_column(String(500))
    done_bytes: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    total_bytes: Mapped[int | None] = mapped_column(BigInteger)
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None]
    claims: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    requested_at: Mapped[datetime] = mapped_column(server_default=func.now())
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]
