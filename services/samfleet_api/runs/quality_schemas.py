from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from samfleet.quality.protocol import Area, Metric


class Quality(BaseModel):
    """Against the annotations: the mean over instances of the best mask's intersection over union."""

    miou: float
    instances: int


class Figure(BaseModel):
    """One number of the evaluation of a run, all images of the dataset counted."""

    model_config = ConfigDict(from_attributes=True)

    metric: Metric = Field(
        description="`miou`: mean IoU per annotated instance. `ar`: average recall of masks, whatever their category. "
        "`ap`, `ap50`, `ap75`: average precision by category, of IoU thresholds 0.5 to 0.95, 0.5 and 0.75."
    )
    area: Area = Field(description="COCO's sizes, by the annotated area; those of `ar` and `ap` share the boundaries.")
    max_detections: int = Field(description="Masks counted per image, and category for `ap`, best scores first.")
    value: float = Field(ge=0, le=1)
    instances: int = Field(description="Annotated instances of this size, crowds left out.")
