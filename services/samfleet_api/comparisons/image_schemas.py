from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from samfleet.comparisons.matching import Matching, agreement, is_changed
from samfleet_api.comparisons.schemas import AGREEMENT, OTHER_RUN
from samfleet_api.runs.schemas import RUN_EXAMPLE


class MaskPair(BaseModel):
    """Masks of two runs that show the same object."""

    a: int = Field(description="Place of the mask in `masks` of the image in run A, from 0.")
    b: int = Field(description="Place of the mask in `masks` of the image in run B, from 0.")
    iou: float
    changed: bool = Field(description="Whether the IoU is below 0.9.")


class ImageComparison(BaseModel):
    """Matched masks of one image in two runs. Places are those in the replies of `GET /v1/runs/…/images/…`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "image_id": 139,
                    "run_a": RUN_EXAMPLE["id"],
                    "run_b": OTHER_RUN,
                    "pairs": [{"a": 0, "b": 2, "iou": 0.97, "changed": False}],
                    "lost": [1],
                    "gained": [0, 1],
                    "mean_iou": 0.97,
                    "disagreement": 0.612,
                }
            ]
        }
    )

    image_id: int
    run_a: uuid.UUID
    run_b: uuid.UUID
    pairs: list[MaskPair] = Field(description="By falling IoU, down to 0.5; no mask is in two pairs.")
    lost: list[int] = Field(description="Places of the masks of run A without a partner.")
    gained: list[int] = Field(description="Places of the masks of run B without a partner.")
    mean_iou: float | None = Field(description="Mean IoU of the pairs; null without pairs.")
    disagreement: float = Field(description=f"1 minus the agreement. Agreement: {AGREEMENT}")

    @classmethod
    def of(cls, image_id: int, run_a: uuid.UUID, run_b: uuid.UUID, found: Matching) -> Self:
        pairs, iou_sum = len(found.pairs), found.iou_sum
        return cls(
            image_id=image_id,
            run_a=run_a,
            run_b=run_b,
            pairs=[
                MaskPair(a=one.first, b=one.second, iou=one.iou, changed=is_changed(one.iou)) for one in found.pairs
            ],
            lost=list(found.lost),
            gained=list(found.gained),
            mean_iou=iou_sum / pairs if pairs else None,
            disagreement=1 - agreement(iou_sum, pairs + len(found.lost), pairs + len(found.gained)),
        )


class AnnotationPair(BaseModel):
    """An annotation and the mask that shows its object."""

    annotation: int = Field(description="Place in `annotations` of `GET /v1/runs/…/images/…/annotations`, from 0.")
    mask: int = Field(description="Place of the mask in `masks` of the image, from 0.")
    iou: float
    changed: bool = Field(description="Whether the IoU is below 0.9.")


class AnnotationComparison(BaseModel):
    """One image's annotations matched one to one with its masks."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "run_id": RUN_EXAMPLE["id"],
                    "image_id": 139,
                    "annotated": True,
                    "pairs": [{"annotation": 0, "mask": 2, "iou": 0.86, "changed": True}],
                    "lost": [1],
                    "gained": [0],
                    "ignored": [1],
                    "mean_iou": 0.86,
                }
            ]
        }
    )

    run_id: uuid.UUID
    image_id: int
    annotated: bool = Field(description="The dataset has annotations; if false, all masks are gained.")
    pairs: list[AnnotationPair] = Field(description="By falling IoU, down to 0.5; no mask is in two pairs.")
    lost: list[int] = Field(description="Places of the annotations that no mask matches.")
    gained: list[int] = Field(description="Places of the masks that match no annotation.")
    ignored: list[int] = Field(description="Places of the other masks of which at least half lies in a group.")
    mean_iou: float | None = Field(description="Mean IoU of the pairs; null without pairs.")

    @classmethod
    def of(cls, run_id: uuid.UUID, image_id: int, annotated: bool, found: Matching, ignored: Sequence[int]) -> Self:
        return cls(
            run_id=run_id,
            image_id=image_id,
            annotated=annotated,
            pairs=[
                AnnotationPair(annotation=one.first, mask=one.second, iou=one.iou, changed=is_changed(one.iou))
                for one in found.pairs
            ],
            lost=list(found.lost),
            gained=list(found.gained),
            ignored=list(ignored),
            mean_iou=found.iou_sum / len(found.pairs) if found.pairs else None,
        )
