"""Record of one mask, as in replies of the backend, part files and exports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class MaskRecord:
    """A mask of one image, in pixels of the upright original image.

    `counts` is the COCO compressed RLE (column-major) for `size` = (height, width). `bbox` is (x, y, width, height) as
    the official generator writes it: inclusive maxima minus minima. `prompt_index` is the prompt's position in its
    request; None for SegEvery with points. `point_coords` and `crop_box` (x, y, width, height) are fields of the
    generator; None for prompted masks, but one on a large image has the window that was sent as its `crop_box`.
    """

    counts: str
    size: tuple[int, int]
    area: int
    bbox: tuple[float, float, float, float]
    predicted_iou: float
    stability_score: float
    prompt_index: int | None = None
    point_coords: tuple[float, float] | None = None
    crop_box: tuple[int, int, int, int] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, with the field names of the official generator's `coco_rle` output."""
        fields: dict[str, Any] = {
            "segmentation": {"size": list(self.size), "counts": self.counts},
            "area": self.area,
            "bbox": list(self.bbox),
            "predicted_iou": self.predicted_iou,
            "stability_score": self.stability_score,
        }
        if self.prompt_index is not None:
            fields["prompt_index"] = self.prompt_index
        if self.point_coords is not None:
            fields["point_coords"] = [list(self.point_coords)]
        if self.crop_box is not None:
            fields["crop_box"] = list(self.crop_box)
        return fields

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> MaskRecord:
        points = fields.get("point_coords")
        crop_box = fields.get("crop_box")
        return cls(
            counts=fields["segmentation"]["counts"],
            size=tuple(fields["segmentation"]["size"]),
            area=fields["area"],
            bbox=tuple(fields["bbox"]),
            predicted_iou=fields["predicted_iou"],
            stability_score=fields["stability_score"],
            prompt_index=fields.get("prompt_index"),
            point_coords=tuple(points[0]) if points else None,
            crop_box=tuple(crop_box) if crop_box else None,
        )
