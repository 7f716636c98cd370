"""COCO files made from the rows of a run's parts: a results array, and a complete instances file.

Boxes are those of pycocotools' `toBbox`: (x, y, width, height), where width and height count the pixels that a mask
covers, so area <= width * height. The official generator's boxes are one pixel smaller (inclusive maxima minus minima);
`BoxForm.OFFICIAL` keeps them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from operator import itemgetter
from typing import Any

from samfleet.jobs.parts import OF_MANIFEST

EVERYTHING_CATEGORY_ID = 1  # SegEvery does not classify; COCO needs a category
COPIED = (
    "predicted_iou",
    "stability_score",
    "point_coords",
    "crop_box",
    "annotation_id",
    "detection_id",
    "prompt_index",
    "prompt_box",
    "prompt_points",
    "prompt_labels",
    "object_id",
    "object_prompt",
)

Rows = Iterable[Mapping[str, Any]]
Category = Mapping[str, Any]


class BoxForm(StrEnum):
    PIXELS = "pixels"
    OFFICIAL = "official"


@dataclass(frozen=True, slots=True)
class Instances:
    """Contents of an instances file besides the masks: `info`, and the dataset's categories, if any.

    `unclassified` is the name of the category of masks without one. `segmentation_of` returns what the file has as the
    `segmentation` of a mask: its RLE.
    """

    info: Mapping[str, Any]
    categories: Sequence[Category] = ()
    unclassified: str = "object"
    segmentation_of: Callable[[Mapping[str, Any]], Any] = itemgetter("segmentation")


def result_entry(
    image_id: int, mask: Mapping[str, Any], boxes: BoxForm, unclassified: int = EVERYTHING_CATEGORY_ID
) -> dict[str, Any]:
    """Return a COCO result. Its `score`, by which evaluations rank, is the detection's score or the predicted IoU.

    `unclassified` is the category id of a mask without one.
    """
    return {
        "image_id": image_id,
        "category_id": mask.get("category_id", unclassified),
        "segmentation": mask["segmentation"],
        "bbox": box_of(mask, boxes),
        "area": mask["area"],
        "score": mask.get("detection_score", mask["predicted_iou"]),
        **{name: mask[name] for name in COPIED if name in mask},
    }


def box_of(mask: Mapping[str, Any], boxes: BoxForm) -> list[float]:
    """Return (x, y, width, height) of a mask of a row. The box of an empty mask is all 0 in both forms."""
    x, y, width, height = mask["bbox"]
    if boxes is BoxForm.OFFICIAL or not mask["area"]:
        return [x, y, width, height]
    return [x, y, width + 1, height + 1]


def iter_results(
    rows: Rows, boxes: BoxForm = BoxForm.PIXELS, unclassified: int = EVERYTHING_CATEGORY_ID
) -> Iterator[bytes]:
    """Yield a COCO results array, as read by `pycocotools.coco.COCO.loadRes`, with one entry a line."""
    entries = (result_entry(row["image_id"], mask, boxes, unclassified) for row in rows for mask in row["masks"])
    yield from _array(map(_json, entries))
    yield b"\n"


def iter_instances(
    read: Callable[[], Rows], instances: Instances, boxes: BoxForm = BoxForm.PIXELS, *, annotated: bool = True
) -> Iterator[bytes]:
    """Yield a complete COCO file: info, images, annotations with ids 1, 2, 3, …, and categories.

    `read` returns the rows. It is called twice, because images precede annotations. An image that could not be read has
    no size and is left out; an image without masks stays. If not `annotated`, the masks are left out.
    """
    used = UsedCategories()
    yield b'{"info":' + _json(instances.info) + b',\n"images":'
    yield from _array(_json(_image(row)) for row in used.seen(read()) if row["width"] is not None)
    yield b',\n"annotations":'
    unclassified = used.unclassified_id(instances.categories)
    rows = read() if annotated else ()
    yield from _array(map(_json, _annotations(rows, instances, boxes, unclassified)))
    yield b',\n"categories":' + _json(used.listed(instances)) + b"}\n"


def categories_with(listed: Sequence[Category], used: Collection[int]) -> list[Category]:
    """Return the listed categories, plus one with a generated name for each used id that is not listed."""
    known = {category["id"] for category in listed}
    return [*listed, *({"id": number, "name": f"category {number}"} for number in sorted(set(used) - known))]


def check_rows(rows: Rows) -> None:
    """Raise now an error that would otherwise interrupt a download."""
    for row in rows:
        for mask in row["masks"]:
            result_entry(row["image_id"], mask, BoxForm.PIXELS)


@dataclass(slots=True)
class UsedCategories:
    """Category ids of the masks seen; `unclassified` if a mask has none, as in SegEvery."""

    given: set[int] = field(default_factory=set)
    unclassified: bool = False

    def seen(self, rows: Rows) -> Iterator[Mapping[str, Any]]:
        """Yield the rows, and note the categories of their masks."""
        for row in rows:
            for mask in row["masks"]:
                if "category_id" in mask:
                    self.given.add(mask["category_id"])
                else:
                    self.unclassified = True
            yield row

    def unclassified_id(self, listed: Sequence[Category]) -> int:
        """Return the id of masks without a category: `EVERYTHING_CATEGORY_ID`, or the next id that is free.

        The `listed` categories of the dataset take ids only if a mask was classified.
        """
        if not self.given:
            return EVERYTHING_CATEGORY_ID
        taken = self.given.union(category["id"] for category in listed)
        return next(number for number in count(EVERYTHING_CATEGORY_ID) if number not in taken)

    def listed(self, instances: Instances) -> list[Category]:
        """Return the categories of the file; those of the dataset apply only if masks were classified."""
        found = categories_with(instances.categories, self.given) if self.given or not self.unclassified else []
        if self.unclassified:
            found.append({"id": self.unclassified_id(instances.categories), "name": instances.unclassified})
        return found


def _image(row: Mapping[str, Any]) -> dict[str, Any]:
    entry = {"id": row["image_id"], "width": row["width"], "height": row["height"], "file_name": row["file_name"]}
    return entry | {name: row[name] for name in OF_MANIFEST if name in row}


def _annotations(rows: Rows, instances: Instances, boxes: BoxForm, unclassified: int) -> Iterator[dict[str, Any]]:
    number = 0
    for row in rows:
        for mask in row["masks"]:
            number += 1
            entry = result_entry(row["image_id"], mask, boxes, unclassified)
            yield {"id": number, **entry, "segmentation": instances.segmentation_of(mask), "iscrowd": 0}


def _array(entries: Iterable[bytes]) -> Iterator[bytes]:
    separator = b"[\n"
    for entry in entries:
        yield separator + entry
        separator = b",\n"
    yield b"\n]" if separator == b",\n" else b"[]"


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
