from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from samfleet.quality.protocol import Area, Metric


class Quality(BaseModel):
    """Agreement with the annotations: mean over instances of the best mask's IoU (intersection over union)."""

    miou: float
    instances: int


class Figure(BaseModel):
    """One metric of a run's evaluation over all images of the dataset."""

    model_config = ConfigDict(from_attributes=True)

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
