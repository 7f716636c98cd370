from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from samfleet.comparisons.matching import agreement
from samfleet.db.models import ComparedImage as ImageRow
from samfleet.db.models import Comparison as ComparisonRow
from samfleet.db.models import ComparisonState, Hardware
from samfleet.reports.task_words import task_words
from samfleet_api.comparisons.repository import RunOfSide
from samfleet_api.hardware.schemas import HardwareName
from samfleet_api.runs.schemas import RUN_EXAMPLE, Failure, failure_of
from samfleet_api.schemas import RequestModel
from samfleet_api.short_ids import DESCRIPTION, PATTERN, IdText

OTHER_RUN = "1e0f3a52-77a9-4c56-8c55-0d1a4f7f2c99"
SIDE_EXAMPLE: dict[str, Any] = {
    "run_id": RUN_EXAMPLE["id"],
    "job_id": RUN_EXAMPLE["job_id"],
    "job_name": "shelves",
    "variant": "mobile_sam",
    "pool": "default",
    "dataset_id": "5f0c0a52-9b0e-4a71-8d5a-0d2f6f0a1c11",
    "dataset": "coco_dev",
    "task": {"kind": "everything", "points_per_side": 32},
    "task_in_words": "everything, 32 points per side",
    "hardware": [],
    "in_words": "mobile_sam, everything, 32 points per side, dataset coco_dev",
}
COMPARISON_EXAMPLE: dict[str, Any] = {
    "id": "8a1d7c33-52c4-4c1e-8a38-0f0a64be1d5e",
    "a": SIDE_EXAMPLE,
    "b": {
        **SIDE_EXAMPLE,
        "run_id": OTHER_RUN,
        "variant": "repvit_sam",
        "in_words": "repvit_sam, everything, 32 points per side, dataset coco_dev",
    },
    "state": "completed",
    "progress": 1.0,
    "outdated": False,
    "summary": {
        "images": 499,
        "masks_a": 20_431,
        "masks_b": 19_877,
        "matched": 17_802,
        "changed": 4_120,
        "lost": 2_629,
        "gained": 2_075,
        "mean_iou": 0.913,
        "agreement": 0.806,
    },
    "error": None,
    "created_at": "2026-11-22T12:01:00Z",
    "started_at": "2026-11-22T12:01:00Z",
    "finished_at": "2026-11-22T12:01:09Z",
}
IMAGE_EXAMPLE: dict[str, Any] = {
    "image_id": 139,
    "file_name": "000000000139.jpg",
    "position": 0,
    "masks_a": 41,
    "masks_b": 38,
    "matched": 33,
    "changed": 9,
    "lost": 8,
    "gained": 5,
    "mean_iou": 0.902,
    "disagreement": 0.246,
    "iou_a": 0.712,
    "iou_b": 0.664,
    "iou_change": -0.048,
}
AGREEMENT = (
    "From 0 to 1: the sum of the IoUs of the pairs, divided by the number of pairs plus half the number of masks "
    "without a partner (panoptic quality); 1 without masks."
)
MATCHED = "Pairs of masks with an IoU of at least 0.5; no mask is in two pairs."
CHANGED = "Those of the pairs with an IoU below 0.9."
LOST = "Masks of run A without a partner in run B."
GAINED = "Masks of run B without a partner in run A."


class CreateComparison(RequestModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"run_a": RUN_EXAMPLE["id"], "run_b": OTHER_RUN}]})

    run_a: IdText = Field(description=f"The reference. {DESCRIPTION}", json_schema_extra={"pattern": PATTERN})
    run_b: IdText = Field(description=DESCRIPTION, json_schema_extra={"pattern": PATTERN})


class ComparisonSide(BaseModel):
    """A run of a comparison."""

    run_id: uuid.UUID
    job_id: uuid.UUID
    job_name: str | None
    variant: str
    pool: str
    dataset_id: uuid.UUID
    dataset: str = Field(description="Name of the dataset.")
    task: dict[str, Any]
    task_in_words: str
    hardware: list[HardwareName]
    in_words: str = Field(description="Variant, task, dataset and hardware, for people.")

    @classmethod
    def of(cls, side: RunOfSide, hardware: Sequence[Hardware]) -> Self:
        run, job, dataset = side
        devices = sorted({one.device_name for one in hardware})
        words = [
            run.variant,
            task_words(run.task),
            f"dataset {dataset}",
            *([f"on {', '.join(devices)}"] if devices else []),
        ]
        return cls(
            run_id=run.id,
            job_id=job.id,
            job_name=job.name,
            variant=run.variant,
            pool=run.pool,
            dataset_id=job.dataset_id,
            dataset=dataset,
            task=run.task,
            task_in_words=task_words(run.task),
            hardware=[HardwareName.model_validate(one) for one in hardware],
            in_words=", ".join(words),
        )


class ComparisonSummary(BaseModel):
    """Sums over the images that both runs segmented."""

    images: int
    masks_a: int
    masks_b: int
    matched: int = Field(description=MATCHED)
    changed: int = Field(description=CHANGED)
    lost: int = Field(description=LOST)
    gained: int = Field(description=GAINED)
    mean_iou: float | None = Field(description="Mean IoU of the pairs; null without pairs.")
    agreement: float = Field(description=AGREEMENT)

    @classmethod
    def of(cls, row: ComparisonRow) -> Self:
        return cls(
            images=row.images,
            masks_a=row.masks_a,
            masks_b=row.masks_b,
            matched=row.matched,
            changed=row.changed,
            lost=row.masks_a - row.matched,
            gained=row.masks_b - row.matched,
            mean_iou=row.iou_sum / row.matched if row.matched else None,
            agreement=agreement(row.iou_sum, row.masks_a, row.masks_b),
        )


class Comparison(BaseModel):
    """Comparison of the masks of two runs over the same images."""

    model_config = ConfigDict(json_schema_extra={"examples": [COMPARISON_EXAMPLE]})

    id: uuid.UUID
    a: ComparisonSide = Field(description="The reference.")
    b: ComparisonSide
    state: ComparisonState
    progress: float = Field(ge=0, le=1, description="Share of the images compared.")
    outdated: bool = Field(description="Whether a retry has changed the results of a run since the request.")
    summary: ComparisonSummary | None = Field(description="Of the images compared so far; null before the first.")
    error: Failure | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, row: ComparisonRow, a: ComparisonSide, b: ComparisonSide, *, outdated: bool) -> Self:
        return cls(
            id=row.id,
            a=a,
            b=b,
            state=row.state,
            progress=min(1.0, row.position / row.total) if row.total else float(row.finished_at is not None),
            outdated=outdated,
            summary=ComparisonSummary.of(row) if row.images else None,
            error=failure_of(row.error_code, row.error_message),
            created_at=row.created_at,
            started_at=row.started_at,
            finished_at=row.finished_at,
        )


class ComparedImage(BaseModel):
    """An image that both runs of a comparison segmented."""

    model_config = ConfigDict(json_schema_extra={"examples": [IMAGE_EXAMPLE]})

    image_id: int
    file_name: str
    position: int = Field(description="Index in the dataset, from 0.")
    masks_a: int
    masks_b: int
    matched: int = Field(description=MATCHED)
    changed: int = Field(description=CHANGED)
    lost: int = Field(description=LOST)
    gained: int = Field(description=GAINED)
    mean_iou: float | None = Field(description="Mean IoU of the pairs; null without pairs.")
    disagreement: float = Field(description=f"1 minus the agreement. Agreement: {AGREEMENT}")
    iou_a: float | None = Field(description="Mean IoU of run A with the annotated instances; null without any.")
    iou_b: float | None = Field(description="Mean IoU of run B with the annotated instances; null without any.")
    iou_change: float | None = Field(description="`iou_b` minus `iou_a`.")

    @classmethod
    def of(cls, row: ImageRow, file_name: str) -> Self:
        return cls(
            image_id=row.image_id,
            file_name=file_name,
            position=row.position,
            masks_a=row.masks_a,
            masks_b=row.masks_b,
            matched=row.matched,
            changed=row.changed,
            lost=row.masks_a - row.matched,
            gained=row.masks_b - row.matched,
            mean_iou=row.iou_sum / row.matched if row.matched else None,
            disagreement=1 - row.agreement,
            iou_a=row.iou_a,
            iou_b=row.iou_b,
            iou_change=row.iou_change,
        )
