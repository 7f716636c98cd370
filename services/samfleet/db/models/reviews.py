from __future__ import annotations

import enum
import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, String, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from samfleet.db.base import Base, text_enum


class MaskState(enum.StrEnum):
    """Decision of a reviewer about a mask."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"  # to be corrected in a labelling tool
    DELETED = "deleted"  # no object at all
    UNDECIDED = "undecided"  # only a category was set


class RunReview(Base):
    """The review of a run in numbers. `version` grows with every change of any of its images.

    `images` have a review, `reviewed` of them have no undecided mask. The other columns count masks.
    """

    __tablename__ = "run_reviews"

    run_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    images: Mapped[int]
    reviewed: Mapped[int]
    accepted: Mapped[int] = mapped_column(BigInteger)
    rejected: Mapped[int] = mapped_column(BigInteger)
    deleted: Mapped[int] = mapped_column(BigInteger)


class ImageReview(Base):
    """The review of an image in a run: its version, which grows with every change, and its masks by state.

    `masks` is the number of masks of the result, which no retry changes: only failed images are computed again.
    """

    __tablename__ = "image_reviews"

    run_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    image_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    version: Mapped[int]
    masks: Mapped[int]
    accepted: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    rejected: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    deleted: Mapped[int] = mapped_column(default=0, server_default=text("0"))

    __table_args__ = (CheckConstraint("accepted + rejected + deleted <= masks", name="counts"),)

    @property
    def undecided(self) -> int:
        return self.masks - self.accepted - self.rejected - self.deleted


class MaskReview(Base):
    """Decision of a reviewer about one mask, by its index in the result, from 0. Masks without a row are undecided.

    Masks with the same `merged_into` are one object, whose mask is their union; it is the lowest of their indexes.
    `actor` and `at` are those of the last change of this mask.
    """

    __tablename__ = "mask_reviews"

    run_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    image_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    mask: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    state: Mapped[MaskState] = mapped_column(text_enum(MaskState, "state"))
    category: Mapped[str | None] = mapped_column(String(100))
    merged_into: Mapped[int | None]
    actor: Mapped[str] = mapped_column(String(100))
    at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        ForeignKeyConstraint(
            ["run_id", "image_id"],
            ["image_reviews.run_id", "image_reviews.image_id"],
            name="fk_mask_reviews_image",
            ondelete="CASCADE",
        ),
        CheckConstraint("merged_into <= mask", name="merged_into"),
        Index("ix_mask_reviews_people", "run_id", "actor", "state"),
        Index("ix_mask_reviews_categories", "run_id", "category", postgresql_where=text("category IS NOT NULL")),
    )


class ReviewChange(Base):
    """Append-only log of the changes of an image's review: who made them, when, and which."""

    __tablename__ = "review_changes"

    run_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    image_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # of the review after the changes
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    actor: Mapped[str] = mapped_column(String(100))
    changes: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)

    __table_args__ = (
        ForeignKeyConstraint(
            ["run_id", "image_id"],
            ["image_reviews.run_id", "image_reviews.image_id"],
            name="fk_review_changes_image",
            ondelete="CASCADE",
        ),
    )
