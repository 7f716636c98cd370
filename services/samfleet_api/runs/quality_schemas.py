from __future__ import annotations

from typing import Self

from pydantic import BaseModel, Field

from samfleet.db.models import RunQuality
from samfleet.quality.protocol import Area, Metric
from samfleet.quality.resampling import interval_of


class Quality(BaseModel):
    """Agreement with the annotations: mean over instances of the best mask's IoU (intersection over union)."""

    miou: float
    instances: int


class Figure(BaseModel):
    """One metric of a run's evaluation over all images of the dataset."""

    metric: Metric = Field(
        description="`miou`: mean IoU per annotated instance. `ar`: average recall of masks, ignoring categories. "
        "`ap`, `ap50`, `ap75`: average precision by category at IoU thresholds 0.5 to 0.95, 0.5 and 0.75. "
        "`ap_agnostic` and the like: the same, ignoring categories. `lvis_ap` and the like: by LVIS's rules for "
        "annotations that do not cover all categories; `lvis_apr`, `lvis_apc` and `lvis_apf` of rare, common and "
        "frequent categories; `lvis_ar` is the average recall by category."
    )
    area: Area = Field(description="COCO's object sizes, by annotated area; `ar` and `ap` use the same boundaries.")
    max_detections: int = Field(
        description="Masks counted per image (for `ap`, per image and category), best scores first."
    )
    value: float = Field(ge=0, le=1)
    instances: int = Field(description="Annotated instances of this size, without crowds.")
    low: float | None = Field(
        description="Lower bound of the 95 % bootstrap interval over images; null for a figure that is not resampled."
    )
    high: float | None = Field(description="Upper bound of that interval.")

    @classmethod
    def of(cls, row: RunQuality) -> Self:
        low, high = interval_of(row.replicates) or (None, None)
        names = ("metric", "area", "max_detections", "value", "instances")
        return cls.model_validate({**{name: getattr(row, name) for name in names}, "low": low, "high": high})
