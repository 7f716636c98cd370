"""Classes of exported masks, for formats that number them from 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from samfleet.exports.formats.base import ExportOptions, ExportSource
from samfleet.exports.formats.selection import selected_rows
from samfleet.jobs.coco_files import categories_with


@dataclass(frozen=True, slots=True)
class Classes:
    """Names of classes in order. `index` has their places by category id; None is that of masks without a category."""

    names: list[str]
    index: Mapping[int | None, int]

    def of(self, mask: Mapping[str, Any]) -> int:
        return self.index[mask.get("category_id")]


def classes_of(source: ExportSource, options: ExportOptions) -> Classes:
    """Return the dataset's categories and others that masks have, then the name of masks without one.

    Reads all rows. The dataset's categories apply only if a mask has one; without masks there is one class.
    """
    used = {mask.get("category_id") for row in selected_rows(source, options) for mask in row["masks"]}
    given = {number for number in used if number is not None}
    listed = categories_with(source.categories, given) if given else []
    names = [str(category["name"]) for category in listed]
    index: dict[int | None, int] = {category["id"]: place for place, category in enumerate(listed)}
    if None in used or not names:
        index[None] = len(names)
        names.append(options.category_name)
    return Classes(names, index)
