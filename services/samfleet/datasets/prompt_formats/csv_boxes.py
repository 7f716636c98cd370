"""Boxes of a CSV file with a header: an image, a box in pixels, and perhaps a category and an id, in a row each."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from samfleet.datasets.prompt_formats.foreign import ForeignImage, LabelsUnreadable, numbers_of

IMAGE = ("file_name", "filename", "image", "image_path", "path")
CATEGORY = ("category", "label", "class", "name")
CORNERS = (("x0", "y0", "x1", "y1"), ("xmin", "ymin", "xmax", "ymax"), ("x_min", "y_min", "x_max", "y_max"))
SIZED = ("x", "y", "width", "height")
_EXPECTED = (
    f"name the columns: the image ({', '.join(IMAGE)}), the box (x0, y0, x1, y1 or xmin, ymin, xmax, ymax or "
    f"x, y, width, height), and perhaps the category ({', '.join(CATEGORY)}) and id"
)


def read_csv(path: Path) -> Iterator[ForeignImage]:
    images: dict[str, ForeignImage] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            delimiter = _delimiter(file.readline())
            file.seek(0)
            rows = csv.DictReader(file, delimiter=delimiter)
            columns = _Columns(path, [name.strip().lower() for name in rows.fieldnames or ()])
            rows.fieldnames = columns.names
            for row in rows:
                where = f"{path}, line {rows.line_num}"
                name = row.get(columns.image) or ""
                if not name:
                    raise LabelsUnreadable(f"{where} has no image; give its name as {columns.image}")
                image = images.setdefault(name, ForeignImage(where, name, []))
                image.objects.append(columns.object_of(where, row, len(image.objects) + 1))
    except (UnicodeDecodeError, csv.Error) as error:
        raise LabelsUnreadable(f"{path} is not CSV in UTF-8: {error}"[:300]) from error
    yield from images.values()


def _delimiter(header: str) -> str:
    """Return what separates the columns: Excel writes semicolons in countries that write decimals with a comma."""
    return next((mark for mark in (",", ";", "\t") if mark in header), ",")


class _Columns:
    """Names of the columns of a file."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self.names = names
        image = next((name for name in IMAGE if name in names), None)
        self._box = next((box for box in (*CORNERS, SIZED) if set(box) <= set(names)), None)
        if repeated := [name for name in names if names.count(name) > 1]:
            raise LabelsUnreadable(f"{path} has the column {repeated[0][:60]} twice; leave one of them out")
        if image is None or self._box is None:
            raise LabelsUnreadable(f"{path} has the columns {', '.join(names)[:200] or '(none)'}; {_EXPECTED}")
        self.image = image
        self._category = next((name for name in CATEGORY if name in names), None)

    def object_of(self, where: str, row: dict[str, Any], number: int) -> dict[str, Any]:
        box = numbers_of(where, [row[name] for name in self._box or ()])
        if self._box == SIZED:
            box = [box[0], box[1], box[0] + box[2], box[1] + box[3]]
        name = row.get(self._category) if self._category else None
        category = {"category": name} if name else {}
        return {"id": row.get("id") or number, **category, "box": box}
