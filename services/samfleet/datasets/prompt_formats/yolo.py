"""Labels of YOLO: a text file per image, one object a line, `class cx cy w h` as fractions of the image's size.

A sixth number, a confidence, is ignored. A line with a polygon (class x1 y1 x2 y2 …) becomes the polygon's box. Names
of the classes come from data.yaml or classes.txt, beside the labels or in a folder above, else their numbers are ids.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from samfleet.datasets.prompt_formats.foreign import ForeignImage, LabelsUnreadable, files_of, numbers_of

NAMES = ("data.yaml", "classes.txt")
OF_BOX = (4, 5)  # numbers after the class: a box, or a box and a confidence
LEAST_OF_POLYGON = 6


def read_yolo(path: Path) -> Iterator[ForeignImage]:
    names = _names(path)
    for file in files_of(path, ".txt"):
        if file.name not in NAMES:
            name = file.relative_to(path) if path.is_dir() else Path(file.name)
            objects = list(_objects(file, names))
            yield ForeignImage(str(file), name.with_suffix("").as_posix(), objects, "relative", by_stem=True)


def _names(path: Path) -> Mapping[int, str]:
    folder = (path if path.is_dir() else path.parent).resolve()
    for place in (folder, *folder.parents[:2]):
        for file in (place / name for name in NAMES):
            if file.is_file():
                return _read_names(file)
    return {}


def _read_names(file: Path) -> Mapping[int, str]:
    try:
        text = file.read_text()
        if file.suffix == ".txt":
            return dict(enumerate(text.splitlines()))
        names = yaml.safe_load(text)["names"]
        return {int(key): str(name) for key, name in (names.items() if isinstance(names, dict) else enumerate(names))}
    except (KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise LabelsUnreadable(f"{file} does not have the names of the classes, a list or a mapping") from error


def _objects(file: Path, names: Mapping[int, str]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(_lines(file), start=1):
        if not line.strip():
            continue
        where = f"{file}, line {number}"
        category, *values = numbers_of(where, list(line.split()))
        if category != int(category) or category < 0:
            raise LabelsUnreadable(f"{where}: the class {category:g} is not a whole number, 0 or more")
        named = {"category": names[int(category)]} if names and int(category) in names else None
        if names and named is None:
            raise LabelsUnreadable(f"{where}: the class {category:g} has no name in data.yaml or classes.txt")
        yield {"id": number, **(named or {"category_id": int(category)}), "box": _box(where, values)}


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except UnicodeDecodeError as error:
        raise LabelsUnreadable(f"{file} is not text ({error.reason})") from error


def _box(where: str, values: list[float]) -> list[float]:
    if len(values) in OF_BOX:
        x, y, width, height = values[:4]
        return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
    if len(values) >= LEAST_OF_POLYGON and len(values) % 2 == 0:
        xs, ys = values[0::2], values[1::2]
        return [min(xs), min(ys), max(xs), max(ys)]
    raise LabelsUnreadable(f"{where} has {len(values)} numbers after the class; a box has 4, a polygon 6, 8, …")
