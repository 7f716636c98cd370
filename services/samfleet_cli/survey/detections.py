"""Detections of a survey: published result files, brought to the images and categories of the annotations."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from samfleet.datasets.annotations import CocoInstances
from samfleet.datasets.detections import Detections, DetectionsInvalid, read_detections
from samfleet.files import replacing
from samfleet.regular_files import open_regular

DETECTIONS_FILE = "detections.json"


def prepare_detections(path: Path, coco: CocoInstances, folder: Path) -> Path:
    """Return the file, or a copy in `folder` if its images or category ids are not those of the annotations.

    The copy has the detections of the annotated images, in their order, without members that samfleet does not read.
    Raises `DetectionsInvalid`.
    """
    with open_regular(path) as file:
        found = read_detections(file)
    images = frozenset(coco.image_ids.values())
    try:
        numbers = category_numbers(set(found.category_ids), [int(one["id"]) for one in coco.categories])
    except DetectionsInvalid as error:
        raise DetectionsInvalid(f"{path}: {error.message}") from error
    if not numbers and images.issuperset(found.image_ids):
        return path
    with replacing(folder / DETECTIONS_FILE) as copy:
        copy.write(b"[")
        copy.writelines(_entries(found, images, numbers))
        copy.write(b"\n]\n")
    return folder / DETECTIONS_FILE


def category_numbers(used: Collection[int], categories: Collection[int]) -> Mapping[int, int]:
    """Return the category ids of the annotations by those of the detections; empty if both are the same ids.

    Detectors that were trained on COCO may number its 80 categories in their order, from 0 or from 1, while the ids of
    the annotations reach 90. Raises `DetectionsInvalid` for ids of neither kind, and if both numberings are possible.
    """
    known = sorted(set(categories))
    if not known or set(used) <= set(known):
        return {}
    least, most, count = min(used), max(used), len(known)
    if most > count or (least == 0 and most == count):
        unknown = sorted(set(used) - set(known))
        raise DetectionsInvalid(
            f"category_id {unknown[0]} is neither an id of the annotations' {count} categories nor their place in the "
            "order of ids; give the detections the category ids of the annotations"
        )
    if least > 0 and most < count:
        raise DetectionsInvalid(
            f"the category ids from {least} to {most} are places in the order of the annotations' {count} categories, "
            "but the file does not show whether they begin at 0 or at 1; give it the category ids of the annotations"
        )
    first = 0 if least == 0 else 1
    return {number: known[number - first] for number in used}


def _entries(found: Detections, images: Collection[int], numbers: Mapping[int, int]) -> Iterator[bytes]:
    begin = b"\n"
    for one in found:
        if one.image_id in images:
            category = numbers.get(one.category_id, one.category_id)
            entry = {"image_id": one.image_id, "category_id": category, "bbox": one.bbox, "score": one.score}
            yield begin + json.dumps(entry).encode()
            begin = b",\n"
