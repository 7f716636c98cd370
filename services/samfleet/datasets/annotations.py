"""COCO instances files: read, checked entry by entry, so that an error names the entry and what is wrong with it.

As COCO's own tools do, a missing `iscrowd` counts as 0 and a missing `area` or `bbox` is derived from the
segmentation (cocoapi, PythonAPI/pycocotools/coco.py). Polygon areas are then those of the polygons, not of pixels.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import IO, Any

from samfleet.datasets.segmentation import SegmentationInvalid, check_segmentation, is_number
from samfleet.errors import InvalidInput, TooLarge

MAX_ID = 2**62  # ids for images that the file does not name follow the largest one and must fit 64 bits


class AnnotationsInvalid(InvalidInput):
    """The annotations are not a valid COCO instances file."""

    code = "annotations_invalid"


class AnnotationsTooLarge(TooLarge):
    """The annotations file is larger than this server accepts."""

    code = "annotations_too_large"


class AnnotationsNotFound(InvalidInput):
    """There is no such annotations file on the server."""

    code = "annotations_not_found"


@dataclass(frozen=True, slots=True)
class Annotation:
    """One instance; `bbox` is (x, y, width, height) in pixels, `segmentation` polygons or run lengths as given."""

    annotation_id: int
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    area: float
    iscrowd: bool
    segmentation: Any


@dataclass(frozen=True, slots=True)
class CocoInstances:
    image_ids: Mapping[str, int]  # by file_name
    annotations: tuple[Annotation, ...]
    categories: tuple[dict[str, Any], ...]

    def of_images(self, image_ids: Collection[int]) -> list[Annotation]:
        """The annotations of these images; it is an error when the file speaks of none of them."""
        if self.image_ids and set(image_ids).isdisjoint(self.image_ids.values()):
            raise AnnotationsInvalid(
                f"none of the file names in images ({len(self.image_ids)}, such as {next(iter(self.image_ids))!r}) is "
                "in this dataset; they are matched by the path relative to the dataset, or by its last part"
            )
        return [annotation for annotation in self.annotations if annotation.image_id in image_ids]


def read_annotations(file: IO[bytes]) -> CocoInstances:
    document = _read_json(file)
    if not isinstance(document, dict):
        raise AnnotationsInvalid("the annotations file must be a JSON object with images, annotations and categories")
    image_ids, sizes = _read_images(_list(document, "images"))
    categories = _read_categories(_list(document, "categories") if "categories" in document else [])
    annotations = _read_instances(_list(document, "annotations"), sizes)
    return CocoInstances(image_ids=image_ids, annotations=annotations, categories=categories)


def _read_json(file: IO[bytes]) -> Any:
    def refuse(constant: str) -> None:
        raise AnnotationsInvalid(f"the annotations file contains {constant}, which is not JSON; write a number")

    try:
        return json.load(file, parse_constant=refuse)
    except UnicodeDecodeError as error:
        raise AnnotationsInvalid(f"the annotations file is not UTF-8 text ({error.reason} at {error.start})") from error
    except RecursionError as error:
        raise AnnotationsInvalid("the annotations file is nested too deeply to be a COCO instances file") from error
    except ValueError as error:
        raise AnnotationsInvalid(f"the annotations file is not JSON: {error}") from error


def _list(document: dict[str, Any], name: str) -> list[Any]:
    value = document.get(name)
    if not isinstance(value, list):
        raise AnnotationsInvalid(f"the annotations file needs a list named {name!r}")
    return value


def _read_images(entries: list[Any]) -> tuple[dict[str, int], dict[int, tuple[int, int] | None]]:
    """Ids by file name, and (height, width) by id where the file states it."""
    image_ids: dict[str, int] = {}
    sizes: dict[int, tuple[int, int] | None] = {}
    for index, entry in enumerate(entries):
        where = f"images[{index}]"
        image_id = _integer(_object(entry, where), "id", where)
        name = entry.get("file_name")
        if not isinstance(name, str) or not name:
            raise AnnotationsInvalid(f"{where}: file_name must be a text that is not empty")
        if image_id in sizes:
            raise AnnotationsInvalid(f"{where}: id {image_id} occurs twice; image ids must be unique")
        if name in image_ids:
            raise AnnotationsInvalid(f"{where}: file_name {name!r} occurs twice, so its annotations are ambiguous")
        height, width = entry.get("height"), entry.get("width")
        known = type(height) is int and type(width) is int and height > 0 and width > 0
        image_ids[name] = image_id
        sizes[image_id] = (height, width) if known else None
    return image_ids, sizes


def _read_categories(entries: list[Any]) -> tuple[dict[str, Any], ...]:
    seen: set[int] = set()
    for index, entry in enumerate(entries):
        where = f"categories[{index}]"
        category_id = _integer(_object(entry, where), "id", where)
        if category_id in seen:
            raise AnnotationsInvalid(f"{where}: id {category_id} occurs twice; category ids must be unique")
        seen.add(category_id)
        text = json.dumps(entry)
        if "\\u0000" in text or _has_lone_surrogate(entry):
            raise AnnotationsInvalid(f"{where}: a text holds a character that cannot be stored (NUL or half a pair)")
    return tuple(entries)


def _read_instances(entries: list[Any], sizes: Mapping[int, tuple[int, int] | None]) -> tuple[Annotation, ...]:
    seen: set[int] = set()
    annotations: list[Annotation] = []
    for index, entry in enumerate(entries):
        annotation = _read_instance(entry, f"annotations[{index}]", sizes)
        if annotation.annotation_id in seen:
            raise AnnotationsInvalid(
                f"annotations[{index}]: id {annotation.annotation_id} occurs twice; annotation ids must be unique"
            )
        seen.add(annotation.annotation_id)
        annotations.append(annotation)
    return tuple(annotations)


def _read_instance(entry: Any, where: str, sizes: Mapping[int, tuple[int, int] | None]) -> Annotation:
    annotation_id = _integer(_object(entry, where), "id", where)
    where = f"{where} (id {annotation_id})"
    image_id = _integer(entry, "image_id", where)
    if image_id not in sizes:
        raise AnnotationsInvalid(f"{where}: image_id {image_id} is not among images")
    try:
        extent = check_segmentation(entry.get("segmentation"), sizes[image_id])
    except SegmentationInvalid as error:
        raise AnnotationsInvalid(f"{where}: {error}") from error
    iscrowd = entry.get("iscrowd", 0)
    if not isinstance(iscrowd, int) or iscrowd not in {0, 1}:
        raise AnnotationsInvalid(f"{where}: iscrowd must be 0 or 1")
    area = entry.get("area", extent.area)
    if not isinstance(area, int | float) or isinstance(area, bool) or not 0 <= area <= MAX_ID:
        raise AnnotationsInvalid(f"{where}: area must be a number of pixels from 0")
    return Annotation(
        annotation_id=annotation_id,
        image_id=image_id,
        category_id=_integer(entry, "category_id", where),
        bbox=_bbox(entry.get("bbox", list(extent.bbox)), where),
        area=float(area),
        iscrowd=bool(iscrowd),
        segmentation=_segmentation(entry["segmentation"]),
    )


def _segmentation(value: Any) -> Any:
    """As given, less members of a run-length object that nothing knows."""
    return {"size": value["size"], "counts": value["counts"]} if isinstance(value, dict) else value


def _bbox(value: Any, where: str) -> tuple[float, float, float, float]:
    if not isinstance(value, list) or len(value) != 4 or not all(is_number(number) for number in value):  # noqa: PLR2004 - a box
        raise AnnotationsInvalid(f"{where}: bbox must be four numbers x, y, width, height")
    x, y, width, height = (float(number) for number in value)
    if width < 0 or height < 0:
        raise AnnotationsInvalid(f"{where}: bbox has a negative width or height; it is x, y, width, height")
    return x, y, width, height


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise AnnotationsInvalid(f"{where} must be an object")
    return value


def _integer(entry: dict[str, Any], name: str, where: str) -> int:
    value = entry.get(name)
    if type(value) is not int or not 0 <= value < MAX_ID:
        raise AnnotationsInvalid(f"{where}: {name} must be a whole number from 0")
    return value


def _has_lone_surrogate(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False
