"""Masks of one image as arrays and tables, common to the results of jobs and of predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

from samfleet.errors import SamfleetError

if TYPE_CHECKING:
    import numpy as np
    import supervision as sv
    from numpy.typing import NDArray


class PackageMissing(SamfleetError):
    """A package that this function needs is not installed; the message says which."""

    code = "package_missing"


@dataclass(frozen=True)
class MaskArrays:
    """Masks of one image by one variant.

    `width` and `height` are pixels of the upright image; None if it could not be read. `records` are the masks as the
    server has them, with COCO's run lengths in `segmentation`. Arrays are made when they are first used, and stay as
    long as the object.
    """

    file_name: str
    variant: str
    width: int | None
    height: int | None
    records: Sequence[Mapping[str, Any]] = field(repr=False)

    def __len__(self) -> int:
        """Return the number of masks."""
        return len(self.records)

    def __bool__(self) -> bool:
        """Return True also without masks: a result is not a list."""
        return True

    @cached_property
    def masks(self) -> NDArray[np.bool_]:
        """Masks [n, height, width], bool, in C order."""
        import numpy as np
        from pycocotools import mask as rle

        if not self.records:
            return np.zeros((0, self.height or 0, self.width or 0), dtype=bool)
        decoded = rle.decode(self._encoded)
        return np.ascontiguousarray(decoded.transpose(2, 0, 1)).view(bool)

    @cached_property
    def boxes(self) -> NDArray[np.float64]:
        """Boxes [n, 4] of the pixels that masks cover: left, top, right and bottom edge, in pixels."""
        import numpy as np
        from pycocotools import mask as rle

        if not self.records:
            return np.zeros((0, 4))
        boxes: NDArray[np.float64] = rle.toBbox(self._encoded)
        boxes[:, 2:] += boxes[:, :2]
        return boxes

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """Confidence [n], 0 to 1: the score of the prompting detection, or else the predicted IoU."""
        return self._column(lambda mask: mask.get("detection_score", mask["predicted_iou"]), "float64")

    @cached_property
    def areas(self) -> NDArray[np.int64]:
        """Number of pixels [n] of each mask."""
        return self._column(lambda mask: mask["area"], "int64")

    @cached_property
    def category_ids(self) -> NDArray[np.int64] | None:
        """Category [n] of each mask's prompt; None if the masks have none."""
        if not self.records or any("category_id" not in mask for mask in self.records):
            return None
        return self._column(lambda mask: mask["category_id"], "int64")

    def to_supervision(self) -> sv.Detections:
        """Return `supervision.Detections` with masks, boxes and scores; `class_id` is the category, or else 0."""
        detections = package("supervision").Detections
        if not self.records:
            return detections.empty()
        classes = self.category_ids if self.category_ids is not None else self.areas * 0
        return detections(xyxy=self.boxes, mask=self.masks, confidence=self.scores, class_id=classes)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield a row for each mask, without its pixels."""
        for index, mask in enumerate(self.records):
            left, top, right, bottom = self.boxes[index].tolist()
            yield {
                "file_name": self.file_name,
                "variant": self.variant,
                "mask": index,
                "left": left,
                "top": top,
                "right": right,
                "bottom": bottom,
                "area": mask["area"],
                "score": float(self.scores[index]),
                "stability_score": mask["stability_score"],
                "category_id": mask.get("category_id"),
                "rle": mask["segmentation"]["counts"],
            }

    @property
    def _encoded(self) -> list[dict[str, Any]]:
        return [
            {"size": mask["segmentation"]["size"], "counts": mask["segmentation"]["counts"].encode("ascii")}
            for mask in self.records
        ]

    def _column(self, read: Callable[[Mapping[str, Any]], Any], dtype: str) -> NDArray[Any]:
        import numpy as np

        return np.array([read(mask) for mask in self.records], dtype=dtype)


COLUMNS = (
    "file_name",
    "variant",
    "mask",
    "left",
    "top",
    "right",
    "bottom",
    "area",
    "score",
    "stability_score",
    "category_id",
    "rle",
)


def package(name: str) -> Any:
    """Import a package that samfleet does not depend on. Raises `PackageMissing`."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise PackageMissing(f"{name} is not installed; install it with `pip install {name}`") from error
