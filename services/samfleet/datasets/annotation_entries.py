"""Validation of the entries of COCO instances files; an error names the entry and the fault.

As in COCO's tools, a missing `iscrowd` is 0, and a missing `area` or `bbox` is derived from the segmentation (cocoapi,
PythonAPI/pycocotools/coco.py). A derived polygon area is that of the polygons, not of pixels. null counts as missing.
An entry without a segmentation, or with an empty one, is only a box.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from samfleet.datasets.segmentation import (
    Extent,
    SegmentationInvalid,
    check_segmentation,
    is_number,
    segmentation_bytes,
)
from samfleet.errors import InvalidInput, TooLarge

MAX_ID = 2**62  # ids for images that the file does not name follow the largest one and must fit 64 bits
MAX_CATEGORY_CHARACTERS = 2**22  # LVIS's 1,203 categories with definitions and synonyms take a tenth

Size = tuple[int, int]  # height, width in pixels


class AnnotationsInvalid(InvalidInput):
    """The annotations are not a valid COCO instances file."""

    code = "annotations_invalid"


class AnnotationsTooLarge(TooLarge):
    """The annotations file is larger than this server accepts."""

    code = "annotations_too_large"


class AnnotationsNotFound(InvalidInput):
    """The annotations file does not exist on the server."""

    code = "annotations_not_found"


@dataclass(frozen=True, slots=True)
class Annotation:
    """One instance.

    `bbox` is (x, y, width, height) in pixels. `segmentation` has polygons or run lengths as given, or is an empty list
    for a box without a mask.
    """

    annotation_id: int
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    area: float
    iscrowd: bool
    segmentation: Any


@dataclass(frozen=True, slots=True)
class AnnotationLimits:
    """Limits: `entries` per file; `pixels`, `objects` and `segmentation_bytes` per image."""

    pixels: int = 100_000_000
    entries: int = 10_000_000
    objects: int = 10_000
    segmentation_bytes: int = 4 * 2**20


def read_categories(entries: Iterable[Any]) -> tuple[dict[str, Any], ...]:
    seen: set[int] = set()
    categories: list[dict[str, Any]] = []
    characters = 0
    for index, entry in enumerate(entries):
        where = f"categories[{index}]"
        category_id = as_integer(as_object(entry, where), "id", where)
        if category_id in seen:
            raise AnnotationsInvalid(f"{where}: id {category_id} occurs twice; category ids must be unique")
        seen.add(category_id)
        text = _category_text(entry, where)
        characters += len(text)
        if "\\u0000" in text or _has_lone_surrogate(entry):
            raise AnnotationsInvalid(
                f"{where}: a text has a character that cannot be stored (NUL or half a surrogate pair)"
            )
        if characters > MAX_CATEGORY_CHARACTERS:
            raise AnnotationsTooLarge(
                f"the categories take more than {MAX_CATEGORY_CHARACTERS} characters; remove members you do not need"
            )
        categories.append(entry)
    return tuple(categories)


def _category_text(entry: dict[str, Any], where: str) -> str:
    try:
        return json.dumps(entry, allow_nan=False)
    except (ValueError, RecursionError) as error:
        raise AnnotationsInvalid(f"{where}: a number is too large, or the entry is nested too deeply") from error


class InstanceReader:
    """Validator of annotations, which also keeps the counts and ids that have limits or must be unique in the file."""

    def __init__(self, sizes: Mapping[int, Size | None], limits: AnnotationLimits) -> None:
        self._sizes = sizes
        self._limits = limits
        self._ids = array("q")
        self._of_image: dict[int, tuple[int, int]] = {}  # number of annotations, bytes of their segmentations

    def read(self, entries: Iterable[Any]) -> Iterator[Annotation]:
        for index, entry in enumerate(entries):
            if index >= self._limits.entries:
                raise AnnotationsTooLarge(
                    f"the file has more than {index} annotations; split it, or raise SAMFLEET_MAX_ANNOTATIONS"
                )
            annotation = self._read_instance(entry, f"annotations[{index}]")
            self._ids.append(annotation.annotation_id)
            yield annotation
        self._require_unique()

    def _require_unique(self) -> None:
        """Raise if an annotation id repeats. Sorting a column at the end takes an eighth of the memory of a set."""
        ids = np.frombuffer(self._ids, dtype=np.int64)
        order = np.argsort(ids, kind="stable")
        again = order[1:][ids[order[1:]] == ids[order[:-1]]]
        if len(again):
            index = int(again.min())
            raise AnnotationsInvalid(
                f"annotations[{index}]: id {self._ids[index]} occurs twice; annotation ids must be unique"
            )

    def _read_instance(self, entry: Any, where: str) -> Annotation:
        annotation_id = as_integer(as_object(entry, where), "id", where)
        where = f"{where} (id {annotation_id})"
        image_id = as_integer(entry, "image_id", where)
        if image_id not in self._sizes:
            raise AnnotationsInvalid(f"{where}: image_id {image_id} is not in images")
        bbox = None if entry.get("bbox") is None else _bbox(entry["bbox"], where)
        segmentation = [] if entry.get("segmentation") is None else entry["segmentation"]
        extent = self._extent(segmentation, bbox, self._sizes[image_id], where)
        self._bound(image_id, segmentation, where)
        return Annotation(
            annotation_id=annotation_id,
            image_id=image_id,
            category_id=as_integer(entry, "category_id", where),
            bbox=_bbox(list(extent.bbox), where) if bbox is None else bbox,
            area=_area(entry.get("area"), extent.area, where),
            iscrowd=_iscrowd(entry.get("iscrowd"), where),
            segmentation=_segmentation(segmentation),
        )

    def _extent(
        self, segmentation: Any, bbox: tuple[float, float, float, float] | None, size: Size | None, where: str
    ) -> Extent:
        if segmentation == []:
            if bbox is None:
                raise AnnotationsInvalid(f"{where}: it has neither a segmentation nor a bbox; give one of them")
            return Extent(bbox=bbox, area=bbox[2] * bbox[3])
        try:
            return check_segmentation(segmentation, size, self._limits.pixels)
        except SegmentationInvalid as error:
            raise AnnotationsInvalid(f"{where}: {error}") from error

    def _bound(self, image_id: int, segmentation: Any, where: str) -> None:
        objects, size = self._of_image.get(image_id, (0, 0))
        objects, size = objects + 1, size + segmentation_bytes(segmentation)
        self._of_image[image_id] = objects, size
        if objects > self._limits.objects:
            raise AnnotationsTooLarge(
                f"{where}: image_id {image_id} has more than {self._limits.objects} annotations; "
                "leave some out, or raise SAMFLEET_MAX_OBJECTS_PER_IMAGE"
            )
        if size > self._limits.segmentation_bytes:
            raise AnnotationsTooLarge(
                f"{where}: the segmentations of image_id {image_id} take more than {self._limits.segmentation_bytes} "
                "bytes; simplify them, or raise SAMFLEET_MAX_ANNOTATION_BYTES_PER_IMAGE"
            )


def _segmentation(value: Any) -> Any:
    """Return the segmentation; a run-length object keeps only the two members that COCO defines."""
    return {"size": value["size"], "counts": value["counts"]} if isinstance(value, dict) else value


def _iscrowd(value: Any, where: str) -> bool:
    if value is None:
        return False
    if not isinstance(value, int) or value not in {0, 1}:
        raise AnnotationsInvalid(f"{where}: iscrowd must be 0 or 1")
    return bool(value)


def _area(value: Any, derived: float, where: str) -> float:
    if value is None:
        return derived
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= MAX_ID:
        raise AnnotationsInvalid(f"{where}: area must be a number of pixels, 0 or more")
    return float(value)


def _bbox(value: Any, where: str) -> tuple[float, float, float, float]:
    if not isinstance(value, list) or len(value) != 4 or not all(is_number(number) for number in value):  # noqa: PLR2004 - a box
        raise AnnotationsInvalid(f"{where}: bbox must be four numbers x, y, width, height")
    x, y, width, height = (float(number) for number in value)
    if width < 0 or height < 0:
        raise AnnotationsInvalid(f"{where}: bbox has a negative width or height; it is x, y, width, height")
    return x, y, width, height


def as_object(value: Any, where: str) -> dict[str, Any]:
    """Return the value if it is a JSON object. Raises `AnnotationsInvalid`."""
    if not isinstance(value, dict):
        raise AnnotationsInvalid(f"{where} must be an object")
    return value


def as_integer(entry: dict[str, Any], name: str, where: str) -> int:
    """Return the member if it is a whole number, 0 or more, below `MAX_ID`. Raises `AnnotationsInvalid`."""
    value = entry.get(name)
    if type(value) is not int or not 0 <= value < MAX_ID:
        raise AnnotationsInvalid(f"{where}: {name} must be a whole number, 0 or more")
    return value


def _has_lone_surrogate(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False
