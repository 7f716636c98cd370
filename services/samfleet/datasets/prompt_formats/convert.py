"""Conversion of labels of other tools to a prompts file.

Names of images are matched to the files of a folder by the rules of `samfleet.datasets.matching`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from samfleet.datasets.annotation_entries import AnnotationLimits
from samfleet.datasets.matching import match_names
from samfleet.datasets.prompt_formats.coco import read_coco
from samfleet.datasets.prompt_formats.csv_boxes import read_csv
from samfleet.datasets.prompt_formats.foreign import ForeignImage, LabelsOfNoImage, LabelsUnreadable, Reader
from samfleet.datasets.prompt_formats.json_exports import read_fiftyone, read_label_studio
from samfleet.datasets.prompt_formats.voc import read_voc
from samfleet.datasets.prompt_formats.yolo import read_yolo
from samfleet.datasets.prompt_lines import PromptsInvalid, PromptsTooLarge, check_line

FORMATS: Mapping[str, Reader] = {
    "yolo": read_yolo,
    "voc": read_voc,
    "csv": read_csv,
    "fiftyone": read_fiftyone,
    "label_studio": read_label_studio,
    "coco": read_coco,
}


@dataclass(slots=True)
class Converted:
    """Counts of a conversion; `skipped` counts labels that are neither boxes nor points, by kind."""

    images: int = 0
    prompts: int = 0
    skipped: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Name:
    """An image's name in the words of the tool, and its place in the file."""

    where: str
    name: str
    by_stem: bool


def convert(
    form: str, path: Path, images: Sequence[str], write: Callable[[str], Any], *, limited: bool = False
) -> Converted:
    """Write a line of a prompts file for each labelled image; `images` are the names of the dataset's images.

    The labels are read twice, so that only names are held in memory. Labels of other images are an error, unless the
    images are `limited` to some of those that the labels belong to. Raises `LabelsUnreadable`, `LabelsOfNoImage` or
    `PromptsInvalid`, which name the file and the object.
    """
    names = _matched([_Name(one.where, one.name, one.by_stem) for one in FORMATS[form](path)], images)
    converted = Converted()
    for place, image in enumerate(FORMATS[form](path)):
        if place not in names:
            if limited:
                continue
            raise LabelsOfNoImage(
                f"{image.where}: no image has the name {image.name[:200]!r}, or several have; give the images that the "
                "labels were made for"
            )
        line = _line(names[place], image)
        converted.prompts += check_line(image.where, line).prompt_count
        converted.images += 1
        converted.skipped.update(image.skipped)
        write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")
    if not converted.prompts and not limited:
        raise _empty(path)
    return converted


def count_labels(form: str, path: Path, limits: AnnotationLimits) -> int:
    """Validate labels whose images are not known yet, and return the number of prompts.

    Raises `LabelsUnreadable`, `PromptsInvalid` or `PromptsTooLarge`.
    """
    prompts = 0
    for number, image in enumerate(FORMATS[form](path), start=1):
        count = len(image.objects)  # each has one prompt; checking a million of them takes a minute
        prompts += count
        if count > limits.objects or max(prompts, number) > limits.entries:
            raise PromptsTooLarge(
                f"{image.where}: an image has more than {limits.objects} labels, or the file more than "
                f"{limits.entries}; leave some out, or raise SAMFLEET_MAX_OBJECTS_PER_IMAGE or SAMFLEET_MAX_ANNOTATIONS"
            )
        check_line(image.where, _line("image", image))
    if not prompts:
        raise _empty(path)
    return prompts


def _line(name: str, image: ForeignImage) -> dict[str, Any]:
    return {"file_name": name, "coordinates": image.coordinates, "objects": image.objects}


def _empty(path: Path) -> LabelsUnreadable:
    return LabelsUnreadable(f"{path} has no boxes or points")


def _matched(found: Sequence[_Name], images: Sequence[str]) -> dict[int, str]:
    """Return the names in the dataset by the places of the labelled images; those without a match are left out."""
    by_stem = bool(found) and found[0].by_stem
    named = Counter(image.name for image in found)
    if repeated := [image for image in found if named[image.name] > 1]:
        raise PromptsInvalid(
            f"{repeated[-1].where}: the image {repeated[-1].name[:200]!r} has labels elsewhere too; join them"
        )
    keys = _stems(images) if by_stem else {name: name for name in images}
    matches = match_names(list(keys), {image.name: place for place, image in enumerate(found)}, {})
    return {place: keys[key] for key, place in matches.items()}


def _stems(images: Sequence[str]) -> dict[str, str]:
    """Return the names by themselves without suffix; names that differ in the suffix only are left out."""
    stems = [PurePosixPath(name).with_suffix("").as_posix() for name in images]
    times = Counter(stems)
    return {stem: name for stem, name in zip(stems, images, strict=True) if times[stem] == 1}
