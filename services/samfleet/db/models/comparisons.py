from __future__ import annotations

import enum
import uuid
from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String, func, text
from sqlalchemy.orm import Mapped, mapped_column

from samfleet.db.base import Base, HasCreatedAt, HasId, text_enum


class ComparisonState(enum.StrEnum):
    """`samfleet.jobs.built_rows` has the allowed transitions."""

    QUEUED = "queued"  # a task was sent for it
    RUNNING = "running"  # a worker computes it
    COMPLETED = "completed"  # every image that both runs segmented has its row
    FAILED = "failed"  # `error_code` says why


class Comparison(HasId, HasCreatedAt, Base):
    """Comparison of the masks of two runs over the same images; run A is the reference.

    `retries_a` and `retries_b` are the runs' retries at the request: a retry changes results. Equal requests on the
    same results share one row; only failed ones are computed again by a new row.
    `token` is the fencing token: it grows with every claim, and only the holder of the newest one may write.
    `position` is the first position of the dataset that is not compared yet, out of `total`; rows and counters are
    written in one transaction with it, so a worker continues where the previous one stopped. `lost` counts the workers
    that fell silent. `sent_at` is when a task was last sent, or the last sign of life of the worker.
    The counters are sums over the compared images (`ComparedImage`).
    """

    __tablename__ = "comparisons"

    tenant_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    run_a_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), index=True)
    run_b_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), index=True)
    retries_a: Mapped[int]
    retries_b: Mapped[int]
    state: Mapped[ComparisonState] = mapped_column(text_enum(ComparisonState, "state"), default=ComparisonState.QUEUED)
    token: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    lost: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    total: Mapped[int]
    position: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    images: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    masks_a: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    masks_b: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    matched: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    changed: Mapped[int] = mapped_column(BigInteger, default=0, server_default=text("0"))
    iou_sum: Mapped[float] = mapped_column(default=0.0, server_default=text("0"))
    correlation_id: Mapped[str | None] = mapped_column(String(128))  # of the request, for the logs
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None]
    sent_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        Index(
            "uq_comparisons_request",
            run_a_id,
            run_b_id,
            "retries_a",
            "retries_b",
            unique=True,
            postgresql_where=text("state <> 'failed'"),
        ),
        Index("ix_comparisons_tenant_page", tenant_id, "created_at", "id"),
        Index("ix_comparisons_open", "state", "sent_at", postgresql_where=text("state IN ('queued', 'running')")),
    )


class ComparedImage(Base):
    """Figures of an image in a comparison, only of images that both runs segmented.

    `matched` pairs of masks have an IoU of at least 0.5, `changed` of them less than 0.9, and `iou_sum` is the sum of
    their IoUs. `agreement` is 0..1: twice that sum by the masks of both runs, as in panoptic quality; 1 without masks.
    `iou_a` and `iou_b` are the runs' mean IoUs with the image's annotated instances, None without annotations, and
    `iou_change` is the difference `iou_b - iou_a`.
    """

    __tablename__ = "comparison_images"

    comparison_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("comparisons.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    image_id: Mapped[int] = mapped_column(BigInteger)
    masks_a: Mapped[int]
    masks_b: Mapped[int]
    matched: Mapped[int]
    changed: Mapped[int]
    iou_sum: Mapped[float]
    agreement: Mapped[float]
    iou_a: Mapped[float | None]
    iou_b: Mapped[float | None]
    iou_change: Mapped[float | None]

    __table_args__ = (
        Index("ix_comparison_images_agreement", comparison_id, "agreement", "position"),
        Index(
            "ix_comparison_images_iou_a", comparison_id, "iou_a", "position", postgresql_where=text("iou_a IS NOT NULL")
        ),
        Index(
            "ix_comparison_images_iou_b", comparison_id, "iou_b", "position", postgresql_where=text("iou_b IS NOT NULL")
        ),
        Index(
            "ix_comparison_images_iou_change",
            comparison_id,
            "iou_change",
            "position",
            postgresql_where=text("iou_change IS NOT NULL"),
        ),
    )
