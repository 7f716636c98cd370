"""Pascal VOC: boxes in XML, and label maps of objects and classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from samfleet.exports.errors import ExportTooManyClasses
from samfleet.exports.formats.archive import Member, MemberNames, ZipFormat, provenance_of
from samfleet.exports.formats.base import ExportOptions, ExportSource
from samfleet.exports.formats.classes import Classes, classes_of
from samfleet.exports.formats.pictures import label_map, png_of, require_values, voc_palette
from samfleet.exports.formats.selection import rows_without_empty_masks
from samfleet.exports.formats.xml import text_element
from samfleet.jobs.coco_files import BoxForm, box_of

MOST_VALUES = 254  # 0 is the background, and 255 is VOC's pixels that do not count
BACKGROUND = "background"


def _members(source: ExportSource, options: ExportOptions) -> Iterator[Member]:
    classes, names, stems = classes_of(source, options), MemberNames(), []
    labels = _labels(classes)
    for row in rows_without_empty_masks(source, options):
        if row["width"] is not None:
            stem = names.name(row["file_name"], "")
            stems.append(stem)
            yield from _files(stem, row, classes, labels)
    listed = "".join(f"{stem}\n" for stem in stems).encode()
    yield "ImageSets/Main/default.txt", listed
    yield "ImageSets/Segmentation/default.txt", listed
    yield "labelmap.txt", _label_map(labels).encode()
    yield provenance_of(source.provenance, names)


def _labels(classes: Classes) -> Sequence[str]:
    """Return the names of classes, each once and as `labelmap.txt` can hold them. Raises `ExportTooManyClasses`."""
    if len(classes.names) > MOST_VALUES:
        raise ExportTooManyClasses(
            f"the masks have {len(classes.names)} classes, and Pascal VOC tells {MOST_VALUES} apart; "
            "use one_class, or another format"
        )
    labels = [BACKGROUND]
    for name in classes.names:
        plain = " ".join(name.replace(":", " ").replace("#", " ").split()) or "unnamed"
        others = (f"{plain} {number}" for number in count(2))
        labels.append(plain if plain not in labels else next(other for other in others if other not in labels))
    return labels[1:]


def _label_map(labels: Sequence[str]) -> str:
    """Return Datumaro's and CVAT's list of classes: name, colour, parts, actions."""
    palette = voc_palette().tolist()
    lines = [f"{name}:{','.join(map(str, palette[place]))}::\n" for place, name in enumerate((BACKGROUND, *labels))]
    return "# label:color_rgb:parts:actions\n" + "".join(lines)


def _files(stem: str, row: Mapping[str, Any], classes: Classes, labels: Sequence[str]) -> Iterator[Member]:
    require_values(row, MOST_VALUES, "Pascal VOC")
    numbers = [classes.of(mask) for mask in row["masks"]]
    objects, palette = label_map(row), voc_palette()
    values = np.array([0, *(number + 1 for number in numbers)], np.uint8)
    yield f"Annotations/{stem}.xml", _annotation(row, [labels[number] for number in numbers]).encode()
    yield f"SegmentationObject/{stem}.png", png_of(objects.size, objects.bands(), palette)
    yield f"SegmentationClass/{stem}.png", png_of(objects.size, (values[band] for band in objects.bands()), palette)


def _annotation(row: Mapping[str, Any], labels: Sequence[str]) -> str:
    path = PurePosixPath(row["file_name"])
    size = "".join(text_element(name, row[name]) for name in ("width", "height")) + text_element("depth", 3)
    objects = "".join(_object(mask, label) for mask, label in zip(row["masks"], labels, strict=True))
    source = text_element("database", "samfleet")
    if "external_id" in row:
        source += text_element("image", row["external_id"])
    return (
        f"<annotation>\n{text_element('folder', '' if path.parent == PurePosixPath('.') else path.parent)}\n"
        f"{text_element('filename', path)}\n<source>{source}</source>\n"
        f"<size>{size}</size>\n{text_element('segmented', int(bool(labels)))}\n{objects}</annotation>\n"
    )


def _object(mask: Mapping[str, Any], label: str) -> str:
    """Return an object. Its box has the first and last pixels, counted from 1."""
    left, top, width, height = box_of(mask, BoxForm.PIXELS)
    corners = {"xmin": left + 1, "ymin": top + 1, "xmax": left + width, "ymax": top + height}
    box = "".join(text_element(name, int(corner)) for name, corner in corners.items())
    flags = "".join(text_element(name, 0) for name in ("truncated", "difficult"))
    return f"<object>{text_element('name', label)}<pose>Unspecified</pose>{flags}<bndbox>{box}</bndbox></object>\n"


# The n-th object of an image has the value n in SegmentationObject. Empty masks are left out.
VOC = ZipFormat(
    "voc",
    "Pascal VOC (zip): boxes in Annotations/*.xml, label maps of objects and classes as PNG.",
    _members,
)
