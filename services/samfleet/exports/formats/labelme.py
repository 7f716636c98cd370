"""LabelMe: a JSON file per image, with polygons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from samfleet.exports.formats.archive import Member, MemberNames, ZipFormat, json_bytes, provenance_of
from samfleet.exports.formats.base import ExportOptions, ExportSource
from samfleet.exports.formats.classes import Classes, classes_of
from samfleet.exports.formats.selection import selected_rows
from samfleet.jobs.file_prompts import OF_PROMPT
from samfleet.jobs.parts import OF_MANIFEST
from samfleet.masks.polygons import Corners, polygons_of

LABELME_VERSION = "5.5.0"  # whose fields the files have


def _members(source: ExportSource, options: ExportOptions) -> Iterator[Member]:
    classes, names = classes_of(source, options), MemberNames()
    for row in selected_rows(source, options):
        if row["width"] is not None:
            yield names.name(row["file_name"], ".json"), json_bytes(_document(row, classes, options.tolerance))
    yield provenance_of(source.provenance, names)


def _document(row: Mapping[str, Any], classes: Classes, tolerance: float) -> dict[str, Any]:
    return {
        "version": LABELME_VERSION,
        "flags": {},
        "shapes": list(_shapes(row, classes, tolerance)),
        "imagePath": PurePosixPath(row["file_name"]).name,
        "imageData": None,
        "imageHeight": row["height"],
        "imageWidth": row["width"],
        **{name: row[name] for name in OF_MANIFEST if name in row},  # LabelMe keeps members that it does not know
    }


def _shapes(row: Mapping[str, Any], classes: Classes, tolerance: float) -> Iterator[dict[str, Any]]:
    for number, mask in enumerate(row["masks"], start=1):
        for ring in polygons_of(mask["segmentation"], tolerance, Corners.PIXELS):
            yield {
                "label": classes.names[classes.of(mask)],
                "points": ring.tolist(),
                "group_id": number,
                "description": "",
                "shape_type": "polygon",
                "flags": {},
                "mask": None,
                **{name: mask[name] for name in OF_PROMPT if name in mask},  # kept like other unknown members
            }


# Files to put beside the images. A mask of several parts has a polygon for each, with the same `group_id`.
LABELME = ZipFormat(
    "labelme",
    "LabelMe (zip): a JSON file per image, a polygon per part of a mask.",
    _members,
)
