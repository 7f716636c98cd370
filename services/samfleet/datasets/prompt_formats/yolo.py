"""Labels of YOLO: a text file per image, one object a line, `class cx cy w h` as fractions of the image's size.

A sixth number, a confidence, is ignored. A line with a polygon (class x1 y1 x2 y2 …) becomes the polygon's box. Names
of the classes come from one of `NAMES`, beside the labels or in a folder above, else their numbers are ids.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from samfleet.datasets.names import is_image_name
from samfleet.datasets.prompt_formats.foreign import ForeignImage, LabelsUnreadable, files_of, numbers_of

NAMES = ("data.yaml", "classes.txt", "obj.names")  # of Ultralytics, Label Studio, and Darknet or CVAT
OF_BOX = (4, 5)  # numbers after the class: a box, or a box and a confidence
LEAST_OF_POLYGON = 6
MOST_YAML_CHARACTERS = 2**18  # PyYAML reads about a tenth of a MiB in a second


def read_yolo(path: Path) -> Iterator[ForeignImage]:
    names = _names(path)
    for file in files_of(path, ".txt"):
        if file.name not in NAMES:
            name = file.relative_to(path) if path.is_dir() else Path(file.name)
            lines = _lines(file)
            if _is_other_text(file, lines):
                continue
            objects = list(_objects(file, lines, names))
            yield ForeignImage(str(file), name.with_suffix("").as_posix(), objects, "relative", by_stem=True)


def _is_other_text(file: Path, lines: list[str]) -> bool:
    """Return whether it is a text that tools put beside labels: a list of the images (train.txt) or README.txt."""
    texts = [line.strip() for line in lines if line.strip()]
    if not texts:
        return False  # of an image without objects
    is_readme = file.name.lower().startswith("readme") and not texts[0].split()[0].isdecimal()
    return is_readme or all(map(is_image_name, texts))


def _names(path: Path) -> Mapping[int, str]:
    """Return the names of the classes from the folder, from those above it, or from the only such file below it."""
    folder = (path if path.is_dir() else path.parent).resolve()
    for place in (folder, *folder.parents[:2]):
        for file in (place / name for name in NAMES):
            if file.is_file():
                return _read_names(file)
    below = [file for file in path.rglob("*") if file.name in NAMES and file.is_file()]
    return _read_names(below[0]) if len(below) == 1 else {}


def _read_names(file: Path) -> Mapping[int, str]:
    try:
        text = file.read_text(encoding="utf-8-sig")
        if file.suffix != ".yaml":
            return dict(enumerate(text.splitlines()))
        if len(text) > MOST_YAML_CHARACTERS:
            raise LabelsUnreadable(f"{file} has more than {MOST_YAML_CHARACTERS} characters; keep only the names in it")
        names = yaml.load(text, Loader=_PlainLoader)["names"]  # noqa: S506 - a safe loader
        pairs = names.items() if isinstance(names, dict) else enumerate(_list(names))
        return {int(key): _name(name) for key, name in pairs}
    except (KeyError, TypeError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise LabelsUnreadable(f"{file} does not have the names of the classes, a list or a mapping") from error


class _PlainLoader(yaml.BaseLoader):
    """Loader that takes all values as texts: the class `no` is no truth value. It has no aliases: merged keys of a few
    lines could have no end.
    """

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it has an alias")
        return super().compose_node(parent, index)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("names are neither a list nor a mapping")
    return value


def _name(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a name is a {type(value).__name__}")
    return value


def _objects(file: Path, lines: list[str], names: Mapping[int, str]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{file}, line {number}"
        category, *values = numbers_of(where, list(line.split()))
        if not category.is_integer() or category < 0:  # nor is NaN or infinity
            raise LabelsUnreadable(f"{where}: the class {category:g} is not a whole number, 0 or more")
        named = {"category": names[int(category)]} if names and int(category) in names else None
        if names and named is None:
            raise LabelsUnreadable(f"{where}: the class {category:g} has no name in {' or '.join(NAMES)}")
        yield {"id": number, **(named or {"category_id": int(category)}), "box": _box(where, values)}


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
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
