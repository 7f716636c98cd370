"""COCO instances files: streamed and checked entry by entry, so that an error names the entry and what is wrong.

A file is read twice: for its images and categories, and for its annotations, which may stand before the images.

As COCO's own tools do, a missing `iscrowd` counts as 0 and a missing `area` or `bbox` is derived from the
segmentation (cocoapi, PythonAPI/pycocotools/coco.py). Polygon areas are then those of the polygons, not of pixels.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from samfleet.datasets.json_array import JsonArrayInvalid, iter_json_members
from samfleet.datasets.segmentation import SegmentationInvalid, check_segmentation, is_number, segmentation_bytes
from samfleet.errors import InvalidInput, TooLarge

MAX_ID = 2**62  # ids for images that the file does not name follow the largest one and must fit 64 bits
MAX_IMAGES = 2_000_000  # of one file: 300 bytes of memory each
MAX_NAME_CHARACTERS = 1024  # as of a dataset's images
MAX_CATEGORY_CHARACTERS = 2**22  # LVIS's 1,203 with definitions and synonyms take a tenth

OpenFile = Callable[[], AbstractContextManager[IO[bytes]]]  # the file from its start
Size = tuple[int, int]  # height, width in pixels


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
class AnnotationLimits:
    """`pixels` of one image, `entries` of the file, `objects` and `segmentation_bytes` of one image."""

    pixels: int = 100_000_000
    entries: int = 10_000_000
    objects: int = 10_000
    segmentation_bytes: int = 4 * 2**20


@dataclass(frozen=True, slots=True)
class CocoInstances:
    """A file whose images and categories are known; its annotations are read again each time they are asked for."""

    open_file: OpenFile
    limits: AnnotationLimits
    image_ids: Mapping[str, int]  # by file_name
    sizes: Mapping[int, Size | None]  # (height, width) by image id, where the file states it
    categories: tuple[dict[str, Any], ...]

    def annotations(self) -> Iterator[Annotation]:
        """All of them, each checked, in the order of the file."""
        reader = _InstanceReader(self.sizes, self.limits)
        for name, entries in _members(self.open_file):
            if name == "annotations" and entries is not None:
                yield from reader.read(entries)

    def of_images(self, image_ids: Collection[int]) -> Iterator[Annotation]:
        """The annotations of these images; all are checked."""
        return (annotation for annotation in self.annotations() if annotation.image_id in image_ids)

    def require_any(self, image_ids: Collection[int]) -> None:
        """It is an error when the file speaks of none of these images."""
        if self.image_ids and set(image_ids).isdisjoint(self.image_ids.values()):
            raise AnnotationsInvalid(
                f"none of the file names in images ({len(self.image_ids)}, such as {next(iter(self.image_ids))!r}) is "
                "in this dataset; they are matched by the path relative to the dataset, or by its last part"
            )


def read_annotations(open_file: OpenFile, limits: AnnotationLimits | None = None) -> CocoInstances:
    """Images and categories; annotations are passed over, because they may stand before the images they name."""
    limits = limits or AnnotationLimits()
    lists: dict[str, bool] = {}
    image_ids: dict[str, int] = {}
    sizes: dict[int, Size | None] = {}
    categories: tuple[dict[str, Any], ...] = ()
    for name, entries in _members(open_file):
        lists[name] = entries is not None
        if name == "images" and entries is not None:
            _read_images(entries, image_ids, sizes, limits.entries)
        elif name == "categories" and entries is not None:
            categories = _read_categories(entries)
    for name in ("images", "annotations", "categories"):
        if not lists.get(name, name == "categories"):
            raise AnnotationsInvalid(f"the annotations file needs a list named {name!r}")
    return CocoInstances(open_file, limits, image_ids, sizes, categories)


def _members(open_file: OpenFile) -> Iterator[tuple[str, Iterator[Any] | None]]:
    with open_file() as file, _explained():
        for name, entries in iter_json_members(file):
            yield name, None if entries is None else _read_on(entries)


def _read_on(entries: Iterator[Any]) -> Iterator[Any]:
    with _explained():
        yield from entries


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except JsonArrayInvalid as error:
        raise AnnotationsInvalid(f"the annotations file {error}") from error


def _read_images(entries: Iterable[Any], image_ids: dict[str, int], sizes: dict[int, Size | None], most: int) -> None:
    """Fills in ids by file name, and (height, width) by id where the file states it."""
    for index, entry in enumerate(entries):
        where = f"images[{index}]"
        image_id = _integer(_object(entry, where), "id", where)
        name = entry.get("file_name")
        if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_CHARACTERS:
            raise AnnotationsInvalid(f"{where}: file_name must be a text of 1 to {MAX_NAME_CHARACTERS} characters")
        if image_id in sizes:
            raise AnnotationsInvalid(f"{where}: id {image_id} occurs twice; image ids must be unique")
        if name in image_ids:
            raise AnnotationsInvalid(f"{where}: file_name {name!r} occurs twice, so its annotations are ambiguous")
        if index >= min(most, MAX_IMAGES):
            raise AnnotationsTooLarge(
                f"the file has more than {index} images; split it, or raise SAMFLEET_MAX_ANNOTATIONS"
            )
        height, width = entry.get("height"), entry.get("width")
        known = type(height) is int and type(width) is int and 0 < height < MAX_ID and 0 < width < MAX_ID
        image_ids[name] = image_id
        sizes[image_id] = (height, width) if known else None


def _read_categories(entries: Iterable[Any]) -> tuple[dict[str, Any], ...]:
    seen: set[int] = set()
    categories: list[dict[str, Any]] = []
    characters = 0
    for index, entry in enumerate(entries):
        where = f"categories[{index}]"
        category_id = _integer(_object(entry, where), "id", where)
        if category_id in seen:
            raise AnnotationsInvalid(f"{where}: id {category_id} occurs twice; category ids must be unique")
        seen.add(category_id)
        text = _category_text(entry, where)
        characters += len(text)
        if "\\u0000" in text or _has_lone_surrogate(entry):
            raise AnnotationsInvalid(f"{where}: a text holds a character that cannot be stored (NUL or half a pair)")
        if characters > MAX_CATEGORY_CHARACTERS:
            raise AnnotationsTooLarge(
                f"the categories take more than {MAX_CATEGORY_CHARACTERS} characters; leave out what is not needed"
            )
        categories.append(entry)
    return tuple(categories)


def _category_text(entry: dict[str, Any], where: str) -> str:
    try:
        return json.dumps(entry, allow_nan=False)
    except (ValueError, RecursionError) as error:
        raise AnnotationsInvalid(f"{where}: a number is too large, or the entry is nested too deeply") from error


class _InstanceReader:
    """Checks annotations one after the other and remembers what must be bounded or unique over all of them."""

    def __init__(self, sizes: Mapping[int, Size | None], limits: AnnotationLimits) -> None:
        self._sizes = sizes
        self._limits = limits
        self._ids = array("q")
        self._of_image: dict[int, tuple[int, int]] = {}  # annotations, and bytes of their segmentations

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
        """After all of them: a column to sort takes an eighth of a set's memory."""
        ids = np.frombuffer(self._ids, dtype=np.int64)
        order = np.argsort(ids, kind="stable")
        again = order[1:][ids[order[1:]] == ids[order[:-1]]]
        if len(again):
            index = int(again.min())
            raise AnnotationsInvalid(
                f"annotations[{index}]: id {self._ids[index]} occurs twice; annotation ids must be unique"
            )

    def _read_instance(self, entry: Any, where: str) -> Annotation:
        annotation_id = _integer(_object(entry, where), "id", where)
        where = f"{where} (id {annotation_id})"
        image_id = _integer(entry, "image_id", where)
        if image_id not in self._sizes:
            raise AnnotationsInvalid(f"{where}: image_id {image_id} is not among images")
        try:
            extent = check_segmentation(entry.get("segmentation"), self._sizes[image_id], self._limits.pixels)
        except SegmentationInvalid as error:
            raise AnnotationsInvalid(f"{where}: {error}") from error
        self._bound(image_id, entry["segmentation"], where)
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
