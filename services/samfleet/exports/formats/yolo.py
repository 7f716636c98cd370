"""YOLO segmentation: a text file of polygons per image, and `data.yaml` with the classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from samfleet.exports.formats.archive import Member, MemberNames, ZipFormat, provenance_of
from samfleet.exports.formats.base import ExportOptions, ExportSource
from samfleet.exports.formats.classes import Classes, classes_of
from samfleet.exports.formats.selection import selected_rows
from samfleet.masks.polygons import Corners, one_ring, polygons_of

NAME_OF_FOLDERS = {"path": ".", "train": "images", "val": "images"}


def _members(source: ExportSource, options: ExportOptions) -> Iterator[Member]:
    """Yield a file for each image that could be read; it is empty for an image without masks."""
    classes, names = classes_of(source, options), MemberNames()
    for row in selected_rows(source, options):
        if row["width"] is not None:
            lines = "".join(_lines(row, classes, options.tolerance))
            yield f"labels/{names.name(row['file_name'], '.txt')}", lines.encode()
    data = {**NAME_OF_FOLDERS, "names": dict(enumerate(classes.names))}
    yield "data.yaml", yaml.safe_dump(data, allow_unicode=True, sort_keys=False).encode()
    yield provenance_of(source.provenance, names)


def _lines(row: Mapping[str, Any], classes: Classes, tolerance: float) -> Iterator[str]:
    """Yield `class x1 y1 x2 y2 …`, with coordinates as shares of the width and height."""
    for mask in row["masks"]:
        rings = polygons_of(mask["segmentation"], tolerance, Corners.PIXELS)
        if rings:
            shares = (one_ring(rings) / (row["width"], row["height"])).ravel()
            yield f"{classes.of(mask)} {' '.join(f'{share:.7g}' for share in shares.tolist())}\n"


# Labels for `images/` and `labels/` side by side. A mask is one polygon: slits join its parts and holes.
YOLO = ZipFormat(
    "yolo",
    "YOLO segmentation (zip): a polygon per mask in labels/*.txt, classes in data.yaml.",
    _members,
)
