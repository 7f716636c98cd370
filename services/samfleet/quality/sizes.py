"""Check that annotations were made for an image of this size, by the rule of `docs/quality.md`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from samfleet.errors import InvalidInput

TOLERANCE = 1.0  # pixels that a corner may be beyond the edge: tools count from 0 or 1, and round

Size = tuple[int, int]  # width, height in pixels


class AnnotationSizeMismatch(InvalidInput):
    """The annotations are for an image of another size."""

    code = "annotation_size_mismatch"


class Shaped(Protocol):
    """An annotation; `bbox` is (x, y, width, height) in pixels, `segmentation` COCO polygons or run lengths."""

    @property
    def bbox(self) -> Any: ...
    @property
    def segmentation(self) -> Any: ...


def check_size(annotations: Iterable[Shaped], stated: Size | None, width: int, height: int) -> None:
    """Raise `AnnotationSizeMismatch` if the annotations of an image were certainly made for another size.

    `width` x `height` is the upright image, `stated` the size in the annotations file. One of these is proof:

    - run lengths of another size;
    - another stated size, and an object that exceeds the image but not the stated size;
    - no stated size, and an object entirely outside the image.

    A different stated size alone is no proof: many tools write a wrong one with correct coordinates.
    """
    for annotation in annotations:
        if isinstance(annotation.segmentation, Mapping):
            check_runs(annotation.segmentation, height, width)
            continue
        left, top, right, bottom = _bounds(annotation)
        inside = right <= width + TOLERANCE and bottom <= height + TOLERANCE
        if stated is None:
            if left >= width or top >= height or right <= 0 or bottom <= 0:
                raise _mismatch("state no size", right, bottom, width, height)
        elif not inside and stated != (width, height) and _fits(right, bottom, stated):
            raise _mismatch(f"state {stated[0]} x {stated[1]}", right, bottom, width, height)


def check_runs(runs: Mapping[str, Any], height: int, width: int) -> None:
    """Raise `AnnotationSizeMismatch` unless the run lengths have this size; nothing is decoded."""
    if list(runs["size"]) != [height, width]:
        raise AnnotationSizeMismatch(
            f"an annotation's run lengths have the size {list(runs['size'])}, the image has "
            f"{[height, width]} (height, width); annotate the original image, upright and unscaled"
        )


def _bounds(annotation: Shaped) -> tuple[float, float, float, float]:
    """Return left, top, right, bottom of the polygons, or of the box if there are none."""
    polygons = annotation.segmentation
    if not polygons:
        x, y, box_width, box_height = annotation.bbox
        return x, y, x + box_width, y + box_height
    xs = [x for polygon in polygons for x in polygon[0::2]]
    ys = [y for polygon in polygons for y in polygon[1::2]]
    return min(xs), min(ys), max(xs), max(ys)


def _fits(right: float, bottom: float, stated: Size) -> bool:
    return right <= stated[0] + TOLERANCE and bottom <= stated[1] + TOLERANCE


def _mismatch(stated: str, right: float, bottom: float, width: int, height: int) -> AnnotationSizeMismatch:
    return AnnotationSizeMismatch(
        f"the annotations {stated} and reach to ({right:g}, {bottom:g}), the image has {width} x {height} (width x "
        "height); annotate the original image, upright and unscaled"
    )
