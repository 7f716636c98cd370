from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from samfleet.db.models import ImageReview as ImageReviewRow
from samfleet.db.models import MaskReview, MaskState, ReviewChange, RunReview
from samfleet.db.models import Run as RunRow
from samfleet_api.actors import ACTOR, KEY_NAME
from samfleet_api.runs.schemas import RUN_EXAMPLE

ACTOR_EXAMPLE = "key:8f1d2b7c-3a55-4a0e-9c44-5f0a9d7e6b21"
MASKS_EXAMPLE: dict[str, Any] = {"total": 20, "accepted": 2, "rejected": 1, "deleted": 0, "undecided": 17}


class MaskCounts(BaseModel):
    """Masks by their state. Each mask of a merged object counts."""

    total: int
    accepted: int
    rejected: int
    deleted: int
    undecided: int

    @classmethod
    def of(cls, total: int, row: ImageReviewRow | RunReview | None) -> Self:
        counts = (row.accepted, row.rejected, row.deleted) if row else (0, 0, 0)
        accepted, rejected, deleted = counts
        return cls(total=total, accepted=accepted, rejected=rejected, deleted=deleted, undecided=total - sum(counts))


class ReviewedMask(BaseModel):
    """The decision about one mask."""

    mask: int = Field(description="Index in the image's `masks`, from 0.")
    state: MaskState
    category: str | None = Field(description="Category that a reviewer set; null: that of the result stays.")
    merged: list[int] | None = Field(description="All masks of its object; null if it is not merged.")
    at: datetime
    actor: str = Field(description=ACTOR)
    key: str | None = Field(description=KEY_NAME)

    @classmethod
    def of(cls, row: MaskReview, key: str | None, sets: Mapping[int, list[int]]) -> Self:
        return cls(
            mask=row.mask,
            state=row.state,
            category=row.category,
            merged=None if row.merged_into is None else sets[row.merged_into],
            at=row.at,
            actor=row.actor,
            key=key,
        )


class ImageReview(BaseModel):
    """The review of one image in a run."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "run_id": RUN_EXAMPLE["id"],
                    "image_id": 139,
                    "version": 3,
                    "reviewed": False,
                    "counts": MASKS_EXAMPLE,
                    "masks": [
                        {
                            "mask": 4,
                            "state": "accepted",
                            "category": "shelf",
                            "merged": [4, 7],
                            "at": "2026-11-22T12:03:07Z",
                            "actor": ACTOR_EXAMPLE,
                            "key": "laptop of Ann",
                        }
                    ],
                }
            ]
        }
    )

    run_id: uuid.UUID
    image_id: int
    version: int = Field(description="Grows with every change; 0 without a review. A change names it.")
    reviewed: bool = Field(description="Whether the image has a review without undecided masks.")
    counts: MaskCounts
    masks: list[ReviewedMask] = Field(description="Masks with a decision or a category; the others are undecided.")


class PersonReview(BaseModel):
    """Masks whose last change is that of one key."""

    actor: str = Field(description=ACTOR)
    key: str | None = Field(description=KEY_NAME)
    accepted: int
    rejected: int
    deleted: int


class ReviewedImages(BaseModel):
    """Images of a run by their review."""

    total: int = Field(description="Images that succeeded so far; failed ones have nothing to review.")
    reviewed: int = Field(description="Images with a review and no undecided mask.")
    started: int = Field(description="Images with a review, complete or not.")


RUN_REVIEW_EXAMPLE: dict[str, Any] = {
    "run_id": RUN_EXAMPLE["id"],
    "version": 41,
    "images": {"total": 500, "reviewed": 12, "started": 14},
    "masks": {"total": 31000, "accepted": 702, "rejected": 61, "deleted": 40, "undecided": 30197},
    "people": [{"actor": ACTOR_EXAMPLE, "key": "laptop of Ann", "accepted": 702, "rejected": 61, "deleted": 40}],
}


class RunReviewCounts(BaseModel):
    """Progress of the review of a run."""

    run_id: uuid.UUID
    version: int = Field(description="Grows with every change of the review of any image; 0 without one.")
    images: ReviewedImages
    masks: MaskCounts
    people: list[PersonReview]

    @classmethod
    def of(cls, run: RunRow, row: RunReview | None, people: Sequence[PersonReview], **more: Any) -> Self:
        return cls(
            run_id=run.id,
            version=row.version if row else 0,
            images=ReviewedImages(
                total=run.succeeded, reviewed=row.reviewed if row else 0, started=row.images if row else 0
            ),
            masks=MaskCounts.of(run.masks, row),
            people=list(people),
            **more,
        )


class JobReview(BaseModel):
    """Progress of the reviews of a job's runs."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [RUN_REVIEW_EXAMPLE]}]})

    items: list[RunReviewCounts] = Field(description="All runs of the job, by variant and pool.")


class RunReviewProgress(RunReviewCounts):
    """Progress of the review of a run, with the categories to choose from."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{**RUN_REVIEW_EXAMPLE, "categories": ["person", "shelf"]}]}
    )

    categories: list[str] = Field(
        description="Names of categories to choose from: those of the dataset, then others that reviewers set."
    )


class ImageToReview(BaseModel):
    """The next image without a complete review."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"image_id": 139, "file_name": "000000000139.jpg"}]})

    image_id: int | None = Field(description="Null if every image is reviewed.")
    file_name: str | None


class ReviewEvent(BaseModel):
    """One request that changed the review of an image."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "version": 3,
                    "at": "2026-11-22T12:03:07Z",
                    "actor": ACTOR_EXAMPLE,
                    "key": "laptop of Ann",
                    "changes": [{"masks": [4, 7], "merge": True, "category": "shelf"}],
                }
            ]
        }
    )

    version: int = Field(description="Version of the review after the changes.")
    at: datetime
    actor: str = Field(description=ACTOR)
    key: str | None = Field(description=KEY_NAME)
    changes: list[dict[str, Any]] = Field(description="As requested.")

    @classmethod
    def of(cls, row: ReviewChange, key: str | None) -> Self:
        return cls(version=row.version, at=row.at, actor=row.actor, key=key, changes=row.changes)
