"""Conversion of labels of other tools to a prompts file.

Names of images are matched to the files of a folder by the rules of `samfleet.datasets.matching`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from samfleet.datasets.matching import match_names
from samfleet.datasets.prompt_formats.csv_boxes import read_csv
from samfleet.datasets.prompt_formats.foreign import ForeignImage, LabelsOfNoImage, LabelsUnreadable, Reader
from samfleet.datasets.prompt_formats.json_exports import read_fiftyone, read_label_studio
from samfleet.datasets.prompt_formats.voc import read_voc
from samfleet.datasets.prompt_formats.yolo import read_yolo
from samfleet.datasets.prompt_lines import PromptsInvalid, check_line

FORMATS: Mapping[str, Reader] = {
    "yolo": read_yolo,
    "voc": read_voc,
    "csv": read_csv,
    "fiftyone": read_fiftyone,
    "label_studio": read_label_studio,
}


@dataclass(slots=True)
class Converted:
    """Counts of a conversion; `skipped` counts labels that are neither boxes nor points, by kind."""

    images: int = 0
    prompts: int = 0
    skipped: Counter[str] = field(default_factory=Counter)


def convert(form: str, path: Path, images: Sequence[str], write: Callable[[str], Any]) -> Converted:
    """Write a line of a prompts file for each labelled image; `images` are the names of the dataset's images.

    Raises `LabelsUnreadable`, `LabelsOfNoImage` or `PromptsInvalid`, which name the file and the object.
    """
    found, converted = list(FORMATS[form](path)), Converted()
    for name, image in _matched(found, images):
        line = {"file_name": name, "coordinates": image.coordinates, "objects": image.objects}
        converted.prompts += check_line(image.where, line).prompt_count
        converted.images += 1
        converted.skipped.update(image.skipped)
        write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")
    if not converted.prompts:
        raise LabelsUnreadable(f"{path} has no boxes or points")
    return converted


def _matched(found: Sequence[ForeignImage], images: Sequence[str]) -> Iterator[tuple[str, ForeignImage]]:
    """Yield each image's labels with its name in the dataset, in the order of the file."""
    by_stem = bool(found) and found[0].by_stem
    named = Counter(image.name for image in found)
    if repeated := [image for image in found if named[image.name] > 1]:
        raise PromptsInvalid(
            f"{repeated[-1].where}: the image {repeated[-1].name!r} has labels elsewhere too; join them"
        )
    keys = _stems(images) if by_stem else {name: name for name in images}
    matches = match_names(list(keys), {image.name: place for place, image in enumerate(found)}, {})
    names = {place: keys[key] for key, place in matches.items()}
    for place, image in enumerate(found):
        if place not in names:
            raise LabelsOfNoImage(
                f"{image.where}: no image of the folder has the name {image.name!r}, or several have; give the folder "
                "that the dataset is made of"
            )
        yield names[place], image


def _stems(images: Sequence[str]) -> dict[str, str]:
    """Return the names by themselves without suffix; names that differ in the suffix only are left out."""
    stems = [PurePosixPath(name).with_suffix("").as_posix() for name in images]
    times = Counter(stems)
    return {stem: name for stem, name in zip(stems, images, strict=True) if times[stem] == 1}
