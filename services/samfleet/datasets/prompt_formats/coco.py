"""Boxes of a COCO instances file, whose annotations may have any order.

They are kept in columns, 56 bytes a box, and grouped by image at the end.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from samfleet.datasets.annotation_entries import AnnotationLimits, AnnotationsInvalid, AnnotationsTooLarge
from samfleet.datasets.annotations import CocoInstances, read_annotations
from samfleet.datasets.prompt_formats.foreign import ForeignImage, LabelsUnreadable
from samfleet.datasets.prompt_lines import PromptsTooLarge, is_word

MOST_BOXES = 2_000_000  # COCO's training set has 860,000
# Those of this server apply to the boxes, when they are checked as prompts; outlines are read one by one and dropped.
_LIMITS = AnnotationLimits(pixels=2**31 - 1, entries=MOST_BOXES, objects=MOST_BOXES, segmentation_bytes=2**62)


def read_coco(path: Path) -> Iterator[ForeignImage]:
    try:
        instances = read_annotations(lambda: path.open("rb"), _LIMITS)
        boxes = _Boxes(path, instances)
    except AnnotationsInvalid as error:
        raise LabelsUnreadable(f"{path}: {error.message}") from error
    except AnnotationsTooLarge as error:
        raise PromptsTooLarge(f"{path}: {error.message}") from error
    names = {image_id: name for name, image_id in instances.image_ids.items()}
    categories = _names(instances)
    for image_id, objects in boxes.of_images(categories):
        where = f"{path}, image {image_id}"
        yield ForeignImage(where, names[image_id], objects, skipped=["crowd"] * boxes.crowds.pop(image_id, 0))


def _names(instances: CocoInstances) -> dict[int, str]:
    """Return the names of the categories by id; none if a name is missing, cannot be one or occurs twice."""
    names = {one["id"]: one.get("name") for one in instances.categories}
    if not all(is_word(name) for name in names.values()) or len(set(names.values())) < len(names):
        return {}
    return {category_id: str(name) for category_id, name in names.items()}


class _Boxes:
    """The annotations that are not crowds, in columns: ids of image, annotation and category, and x, y, w, h."""

    def __init__(self, path: Path, instances: CocoInstances) -> None:
        self._ids, self._numbers = array("q"), array("d")
        self.crowds: Counter[int] = Counter()
        for one in instances.annotations():
            if one.iscrowd:
                self.crowds[one.image_id] += 1
                continue
            self._ids.extend((one.image_id, one.annotation_id, one.category_id))
            self._numbers.extend(one.bbox)
            if len(self._ids) > 3 * MOST_BOXES:  # three ids a box
                raise PromptsTooLarge(f"{path} has more than {MOST_BOXES} boxes; split it")

    def of_images(self, categories: dict[int, str]) -> Iterator[tuple[int, list[dict[str, Any]]]]:
        """Yield each image that has boxes with its objects, both in the order of their first annotation."""
        ids = np.frombuffer(self._ids, dtype=np.int64).reshape(-1, 3)
        numbers = np.frombuffer(self._numbers, dtype=np.float64).reshape(-1, 4)
        images, first, inverse = np.unique(ids[:, 0], return_index=True, return_inverse=True)
        order = np.argsort(inverse, kind="stable")
        ends = np.cumsum(np.bincount(inverse, minlength=len(images)))
        for place in np.argsort(first):
            rows = order[ends[place - 1] if place else 0 : ends[place]]
            objects = [_object(ids[row].tolist(), numbers[row].tolist(), categories) for row in rows]
            yield int(images[place]), objects


def _object(ids: list[int], box: list[float], categories: dict[int, str]) -> dict[str, Any]:
    _image_id, annotation_id, category_id = ids
    x, y, width, height = box
    named = {"category": categories[category_id]} if category_id in categories else {"category_id": category_id}
    return {"id": annotation_id, **named, "box": [x, y, x + width, y + height]}
