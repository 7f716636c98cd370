from __future__ import annotations

import uuid

from sqlalchemy import Double, ForeignKey, String
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from samfleet.db.base import Base


class RunQuality(Base):
    """One quality figure of a completed run against its dataset's annotations (`docs/quality.md` defines them).

    `metric` is one of `samfleet.quality.protocol.Metric`; `area` is all, small, medium or large. A size without
    annotated instances has no row.
    """

    __tablename__ = "run_quality"

    run_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    metric: Mapped[str] = mapped_column(String(16), primary_key=True)
    area: Mapped[str] = mapped_column(String(16), primary_key=True)
    max_detections: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # per image; 1 for miou
    value: Mapped[float]
    instances: Mapped[int]
    replicates: Mapped[list[float] | None] = mapped_column(ARRAY(Double))  # with resampled images
