"""COCO segmentations in annotation files: polygons, run lengths as a list, or run lengths as a string.

Source of the formats: cocoapi, common/maskApi.c (`rleFrString`) and PythonAPI/pycocotools/_mask.pyx (`frPyObjects`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from pycocotools import mask as coco_mask

from samfleet.masks.outline import MAX_OUTLINE, outline_length

MAX_COORDINATE = 1e7  # pixels; far beyond any image, and well within a 32-bit run length
MIN_POLYGON_NUMBERS = 6  # three corners; COCO's tools read four numbers as a box


class SegmentationInvalid(ValueError):
    """The fault in a segmentation; callers, which know its place in the file, raise a `SamfleetError` from it."""


@dataclass(frozen=True, slots=True)
class Extent:
    """Box and area derived from a segmentation: `bbox` is (x, y, width, height), both in pixels."""

    bbox: tuple[float, float, float, float]
    area: float


def check_segmentation(value: Any, size: tuple[int, int] | None, max_pixels: int) -> Extent:
    """Return the extent of a segmentation. `size` is the image's (height, width), or None if unknown.

    Raises `SegmentationInvalid` if `value` does not decode. A size stated by the value is compared with `size` and
    `max_pixels` before anything is allocated.
    """
    if isinstance(value, list):
        return _polygons_extent(value)
    if isinstance(value, dict):
        return _runs_extent(value, size, max_pixels)
    raise SegmentationInvalid("segmentation must be a list of polygons or an object with size and counts")


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MAX_COORDINATE


def _are_numbers(values: list[Any]) -> bool:
    """Apply `is_number` to all values, in a third of the time: a file has millions. `max` does not detect a NaN."""
    return (
        {int, float}.issuperset(map(type, values))
        and max(values) <= MAX_COORDINATE
        and min(values) >= -MAX_COORDINATE
        and not math.isnan(sum(values))
    )


def _polygons_extent(polygons: list[Any]) -> Extent:
    if not polygons:
        raise SegmentationInvalid("segmentation has no polygon")
    for polygon in polygons:
        if not isinstance(polygon, list) or len(polygon) < MIN_POLYGON_NUMBERS or len(polygon) % 2:
            raise SegmentationInvalid("a polygon must be a list of x, y, x, y, … with at least three corners")
        if not _are_numbers(polygon):
            raise SegmentationInvalid("a polygon has an element that is not a finite number of pixels")
    xs = [x for polygon in polygons for x in polygon[0::2]]
    ys = [y for polygon in polygons for y in polygon[1::2]]
    bbox = (min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))
    longest = max(bbox[2:]) * len(xs)  # a cheap upper bound, which spares nearly all polygons the exact sum
    if longest > MAX_OUTLINE and (length := outline_length(polygons)) > MAX_OUTLINE:
        raise SegmentationInvalid(
            f"the polygons are {length:.0f} pixels long, more than the limit of {MAX_OUTLINE}; keep their corners in "
            "the image, or give the mask as run lengths"
        )
    return Extent(bbox=bbox, area=float(sum(_shoelace(polygon) for polygon in polygons)))


def segmentation_bytes(value: Any) -> int:
    """Return the size of a valid segmentation in bytes: 8 a number, 1 a character."""
    if isinstance(value, list):
        return sum(8 * len(polygon) for polygon in value)
    counts = value["counts"]
    return len(counts) if isinstance(counts, str) else 8 * len(counts)


def compressed_counts(rle: dict[str, Any]) -> str:
    """Return the compressed string of valid run lengths."""
    counts = rle["counts"]
    if isinstance(counts, str):
        return counts
    height, width = rle["size"]
    packed: bytes = coco_mask.frPyObjects({"size": [height, width], "counts": counts}, height, width)["counts"]
    return packed.decode("ascii")


def _shoelace(polygon: list[float]) -> float:
    xs, ys = polygon[0::2], polygon[1::2]
    before = zip([xs[-1], *xs], [ys[-1], *ys], xs, ys, strict=False)
    return abs(sum(x0 * y - x * y0 for x0, y0, x, y in before)) / 2


def _runs_extent(rle: dict[str, Any], size: tuple[int, int] | None, max_pixels: int) -> Extent:
    given = rle.get("size")
    if not isinstance(given, list) or len(given) != 2 or not all(type(side) is int and side > 0 for side in given):  # noqa: PLR2004 - height and width
        raise SegmentationInvalid("size must be [height, width] in whole pixels")
    height, width = given
    if size is not None and (height, width) != size:
        raise SegmentationInvalid(f"size {given} is not the image's [height, width], which is {list(size)}")
    if height * width > max_pixels:
        raise SegmentationInvalid(
            f"size {given} has more pixels than the limit of {max_pixels}; scale image and mask down, "
            "or raise SAMFLEET_MAX_PIXELS"
        )
    runs = _runs(rle.get("counts"))
    if sum(runs) != height * width:
        raise SegmentationInvalid(f"counts describe {sum(runs)} pixels, but size {given} has {height * width}")
    x, y, box_width, box_height = coco_mask.toBbox(
        coco_mask.frPyObjects({"size": given, "counts": runs}, height, width)
    ).tolist()
    return Extent(bbox=(x, y, box_width, box_height), area=float(sum(runs[1::2])))


def _runs(counts: object) -> list[int]:
    if isinstance(counts, list):
        if not all(type(run) is int and run >= 0 for run in counts):
            raise SegmentationInvalid("counts must be whole numbers, 0 or more")
        return counts
    if isinstance(counts, str):
        return decode_counts(counts)
    raise SegmentationInvalid("counts must be a list of run lengths or COCO's compressed string")


def decode_counts(text: str) -> list[int]:
    """Decode the run lengths of a compressed string.

    Each character minus '0' has 5 bits of a number; bit 5 means that more follow, bit 4 of the last is the sign. From
    the fourth run on, the number is the difference to the run two before.
    """
    runs: list[int] = []
    value, shift = 0, 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 60:  # noqa: PLR2004 - six bits a character, and no run needs 13 of them
            raise SegmentationInvalid(f"counts are not a compressed run-length string (found {character!r})")
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)  # noqa: PLR2004 - see the docstring
        if runs[-1] < 0:
            raise SegmentationInvalid("counts have a negative run length")
        value, shift = 0, 0
    if shift:
        raise SegmentationInvalid("counts end in the middle of a run length")
    return runs
