from __future__ import annotations

import uuid

from pydantic import BaseModel, ConfigDict, Field

from samfleet.quality.matching import FOUND_IOU


class CocoRunLengths(BaseModel):
    """COCO's compressed run lengths of a mask, column by column."""

    size: list[int] = Field(description="Height and width in pixels.")
    counts: str


class AnnotatedObject(BaseModel):
    """An annotation of the image, and the mask that fits it best."""

    annotation_id: int
    category_id: int
    category: str | None = Field(description="Name of the category; null if the annotations file does not name it.")
    bbox: list[float] = Field(description="x, y, width, height in pixels.")
    area: float
    iscrowd: bool = Field(description="The annotation is of a group. Groups are not compared with masks.")
    segmentation: CocoRunLengths
    iou: float | None = Field(description="Highest IoU with a mask, 0 to 1; null for a group.")
    mask_index: int | None = Field(description="Place of that mask in the list of the image's masks, from 0.")
    found: bool | None = Field(description=f"`iou` is {FOUND_IOU} or more; null for a group.")


class MaskMatch(BaseModel):
    """The annotation with which a mask agrees best."""

    iou: float | None = Field(description="Highest IoU with an annotation, 0 to 1; null if there is none to compare.")
    annotation_id: int | None = Field(description="Null if the mask overlaps no annotation.")


class UsedCategory(BaseModel):
    """A category of an annotation or mask of the image."""

    id: int
    name: str


class ImageAnnotations(BaseModel):
    """Annotations of an image, matched with the masks of a run."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "run_id": "c2b0b3a4-8f52-4d1c-9a1c-52b2b6e3f7aa",
                    "image_id": 139,
                    "annotated": True,
                    "annotations": [
                        {
                            "annotation_id": 26547,
                            "category_id": 86,
                            "category": "vase",
                            "bbox": [10.0, 10.0, 40.0, 30.0],
                            "area": 1190.5,
                            "iscrowd": False,
                            "segmentation": {"size": [426, 640], "counts": "PPYo0"},
                            "iou": 0.91,
                            "mask_index": 0,
                            "found": True,
                        }
                    ],
                    "masks": [{"iou": 0.91, "annotation_id": 26547}],
                    "categories": [{"id": 86, "name": "vase"}],
                }
            ]
        }
    )

    run_id: uuid.UUID
    image_id: int
    annotated: bool = Field(description="The dataset has annotations; if false, the lists of them are empty.")
    annotations: list[AnnotatedObject] = Field(description="In the order of the annotations file.")
    masks: list[MaskMatch] = Field(description="One for each mask of the image, in the order of its masks.")
    categories: list[UsedCategory] = Field(description="Those of the annotations and of the masks that have one.")
