"""Validation of the images of COCO instances files; an error names the entry and the fault.

LVIS v1 names images by `coco_url` only. Its `neg_category_ids` and `not_exhaustive_category_ids` are kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from samfleet.datasets.annotation_entries import (
    MAX_ID,
    AnnotationsInvalid,
    AnnotationsTooLarge,
    Size,
    as_integer,
    as_object,
)

MAX_IMAGES = 2_000_000  # in one file; each takes 300 bytes of memory
MAX_NAME_CHARACTERS = 1024  # as for a dataset's images
MAX_CHECKED_CATEGORIES = 5_000_000  # in all images of one file, 16 bytes each; LVIS v1 train has a quarter of it


@dataclass(frozen=True, slots=True)
class CheckedCategories:
    """Categories of one image of federated annotations, by id.

    `negative` were looked for without finding an instance; of `not_exhaustive` not all instances are annotated.
    """

    negative: tuple[int, ...]
    not_exhaustive: tuple[int, ...]


@dataclass(slots=True)
class ImageEntries:
    """Images of a file: ids by file name, or by URL without one; sizes, original names and checked categories by id."""

    ids: dict[str, int] = field(default_factory=dict)
    sizes: dict[int, Size | None] = field(default_factory=dict)
    originals: dict[int, str] = field(default_factory=dict)  # Roboflow's `extra.name`
    checked: dict[int, CheckedCategories] = field(default_factory=dict)


def read_images(entries: Iterable[Any], most: int) -> ImageEntries:
    """Read the list `images`, with at most `most` entries."""
    images, most_checked = ImageEntries(), MAX_CHECKED_CATEGORIES
    for index, entry in enumerate(entries):
        where = f"images[{index}]"
        image_id = as_integer(as_object(entry, where), "id", where)
        name = entry.get("coco_url") if entry.get("file_name") is None else entry["file_name"]
        if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_CHARACTERS:
            raise AnnotationsInvalid(
                f"{where}: file_name, or coco_url without one, must be a text of 1 to {MAX_NAME_CHARACTERS} characters"
            )
        if image_id in images.sizes:
            raise AnnotationsInvalid(f"{where}: id {image_id} occurs twice; image ids must be unique")
        if name in images.ids:
            raise AnnotationsInvalid(f"{where}: file_name {name!r} occurs twice, so its annotations are ambiguous")
        if index >= min(most, MAX_IMAGES):
            raise AnnotationsTooLarge(
                f"the file has more than {index} images; split it, or raise SAMFLEET_MAX_ANNOTATIONS"
            )
        height, width = entry.get("height"), entry.get("width")
        known = type(height) is int and type(width) is int and 0 < height < MAX_ID and 0 < width < MAX_ID
        images.ids[name] = image_id
        images.sizes[image_id] = (height, width) if known else None
        original = extra.get("name") if isinstance(extra := entry.get("extra"), dict) else None
        if isinstance(original, str) and 0 < len(original) <= MAX_NAME_CHARACTERS:
            images.originals[image_id] = original
        checked = _checked_categories(entry, where)
        if checked is not None:
            images.checked[image_id] = checked
            most_checked -= len(checked.negative) + len(checked.not_exhaustive)
        if most_checked < 0:
            raise AnnotationsTooLarge(
                f"the images have more than {MAX_CHECKED_CATEGORIES} entries in neg_category_ids and "
                "not_exhaustive_category_ids; split the file"
            )
    return images


def _checked_categories(entry: dict[str, Any], where: str) -> CheckedCategories | None:
    """Return the two lists of federated annotations; None if the entry has neither."""
    names = ("neg_category_ids", "not_exhaustive_category_ids")
    given = [entry[name] for name in names if entry.get(name) is not None]
    if not given:
        return None
    if len(given) < len(names):
        raise AnnotationsInvalid(f"{where}: {' and '.join(names)} belong together; give both, or neither")
    for name, values in zip(names, given, strict=True):
        if not isinstance(values, list) or any(type(one) is not int or not 0 <= one < MAX_ID for one in values):
            raise AnnotationsInvalid(f"{where}: {name} must be a list of category ids")
    return CheckedCategories(tuple(given[0]), tuple(given[1]))
