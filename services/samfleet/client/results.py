"""Results as the client hands them out: one object per image and variant."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any

from samfleet.client.schemas import Run
from samfleet.errors import SamfleetError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import supervision as sv
    from numpy.typing import NDArray


class PackageMissing(SamfleetError):
    """A package that this function needs is not installed; the message says which."""

    code = "package_missing"


@dataclass(frozen=True, slots=True)
class ImageFailure:
    """Reason why an image has no masks."""

    code: str
    message: str
    stage: str | None = None


@dataclass(frozen=True)
class SegmentResult:
    """Result of one image with one variant.

    `width` and `height` are pixels of the upright image; None if it could not be read. `error` is None if it
    succeeded. `records` are the masks as the server stores them, with COCO's run lengths in `segmentation`. Arrays are
    made when they are first used, and stay as long as the result.
    """

    image_id: int
    file_name: str
    variant: str
    run_id: str
    width: int | None
    height: int | None
    error: ImageFailure | None
    records: Sequence[Mapping[str, Any]] = field(repr=False)
    fetch_overlay: Callable[[str, int], bytes] = field(repr=False, compare=False)

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

    @cached_property
    def overlay(self) -> bytes:
        """PNG of the image with its masks drawn on it, fetched from the server when it is first used."""
        return self.fetch_overlay(self.run_id, self.image_id)

    def to_supervision(self) -> sv.Detections:
        """Return `supervision.Detections` with masks, boxes and scores; `class_id` is the category, or else 0."""
        detections = _package("supervision").Detections
        if not self.records:
            return detections.empty()
        classes = self.category_ids if self.category_ids is not None else self.areas * 0
        return detections(xyxy=self.boxes, mask=self.masks, confidence=self.scores, class_id=classes)

    def to_pandas(self) -> pd.DataFrame:
        """Return a table with one row per mask."""
        return table([self])

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield a row for each mask, without its pixels."""
        for index, mask in enumerate(self.records):
            left, top, right, bottom = self.boxes[index].tolist()
            yield {
                "image_id": self.image_id,
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

    def _repr_png_(self) -> bytes | None:
        return None if self.error else self.overlay

    def _repr_html_(self) -> str | None:
        if self.error is None:
            return None  # the notebook shows the picture
        return f"<p>{escape(self.file_name)}: {escape(self.error.message)} [{escape(self.error.code)}]</p>"

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
    "image_id",
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


def table(results: Sequence[SegmentResult]) -> pd.DataFrame:
    """Return a table with one row per mask of these results."""
    return frame([row for result in results for row in result.rows()])


def frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    return _package("pandas").DataFrame(rows, columns=list(COLUMNS))


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise PackageMissing(f"{name} is not installed; install it with `pip install {name}`") from error


class ResultLines:
    """Reads the JSON lines of a run, also over several attempts: `begin` a new one, and lines read before are skipped.

    Only the line that is being read is in memory.
    """

    def __init__(self, run: Run, fetch_overlay: Callable[[str, int], bytes]) -> None:
        self._run = run
        self._fetch_overlay = fetch_overlay
        self._read = 0
        self.begin()

    def begin(self) -> None:
        self._left = bytearray()
        self._skip = self._read

    def feed(self, piece: bytes) -> Iterator[SegmentResult]:
        """Yield the results of the lines that end in this piece."""
        first, *others = piece.split(b"\n")
        self._left += first
        for other in others:
            line, self._left = bytes(self._left), bytearray(other)
            if self._skip:
                self._skip -= 1
                continue
            self._read += 1
            yield self._result(json.loads(line))

    def _result(self, row: Mapping[str, Any]) -> SegmentResult:
        return SegmentResult(
            image_id=row["image_id"],
            file_name=row["file_name"],
            variant=self._run.variant,
            run_id=self._run.id,
            width=row["width"],
            height=row["height"],
            error=ImageFailure(**row["error"]) if row["error"] else None,
            records=row["masks"],
            fetch_overlay=self._fetch_overlay,
        )
