"""PNG: a label map per image, and a PNG per mask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from samfleet.exports.formats.archive import Member, MemberNames, ZipFormat, provenance_of
from samfleet.exports.formats.base import ExportOptions, ExportSource
from samfleet.exports.formats.classes import Classes, classes_of
from samfleet.exports.formats.pictures import csv_bytes, label_map, png_of
from samfleet.exports.formats.selection import selected_rows
from samfleet.jobs.coco_files import BoxForm, box_of
from samfleet.masks.bands import bits_in_bands

LABEL_COLUMNS = ("value", "category", "area", "visible", "predicted_iou", "stability_score")
# Those of `metadata.csv` of segment-anything's scripts/amg.py, then ours.
MASK_COLUMNS = (
    *("id", "area", "bbox_x0", "bbox_y0", "bbox_w", "bbox_h", "point_input_x", "point_input_y"),
    *("predicted_iou", "stability_score", "crop_box_x0", "crop_box_y0", "crop_box_w", "crop_box_h", "category"),
)
OF_A_FOLDER = (".png", ".csv")  # suffixes of the files of an image, which folders beside them must not have


def _label_maps(source: ExportSource, options: ExportOptions) -> Iterator[Member]:
    classes, names = classes_of(source, options), MemberNames()
    for row in selected_rows(source, options):
        if row["width"] is not None:
            painted = label_map(row)
            name = names.name(row["file_name"], ".png")
            yield f"labels/{name}", png_of(painted.size, painted.bands())
            table = [
                (value, classes.names[classes.of(mask)], mask["area"], visible, *_qualities(mask))
                for value, (mask, visible) in enumerate(zip(row["masks"], painted.visible, strict=True), start=1)
            ]
            yield f"labels/{PurePosixPath(name).with_suffix('.csv')}", csv_bytes(LABEL_COLUMNS, table)
    yield provenance_of(source.provenance, names)


def _masks(source: ExportSource, options: ExportOptions) -> Iterator[Member]:
    classes, names = classes_of(source, options), MemberNames()
    for row in selected_rows(source, options):
        if row["width"] is not None:
            folder = f"masks/{folder_of(row['file_name'], names)}"
            for number, mask in enumerate(row["masks"]):
                yield f"{folder}/{number}.png", png_of((row["height"], row["width"]), bits_in_bands(mask))
            table = (_described(number, mask, classes) for number, mask in enumerate(row["masks"]))
            yield f"{folder}/metadata.csv", csv_bytes(MASK_COLUMNS, table)
    yield provenance_of(source.provenance, names)


def folder_of(file_name: str, names: MemberNames) -> str:
    """Return `sub/a` for `sub/a.jpg`. A folder is never named like a file: `0.png.jpg` becomes `0.png_`."""
    ends_as_a_file = PurePosixPath(file_name).with_suffix("").suffix.lower() in OF_A_FOLDER
    return names.name(file_name, "_" if ends_as_a_file else "")


def _described(number: int, mask: Mapping[str, Any], classes: Classes) -> tuple[Any, ...]:
    point = (mask.get("point_coords") or [(None, None)])[0]
    crop = mask.get("crop_box") or (None,) * 4
    box = box_of(mask, BoxForm.OFFICIAL)
    return number, mask["area"], *box, *point, *_qualities(mask), *crop, classes.names[classes.of(mask)]


def _qualities(mask: Mapping[str, Any]) -> tuple[float | None, float | None]:
    return mask["predicted_iou"], mask.get("stability_score")


# Greyscale, because tools that read a palette get colours. The n-th mask has the value n.
PNG = ZipFormat(
    "png",
    "Label maps (zip): a PNG per image, small masks on top, and a CSV of its values.",
    _label_maps,
)
# The layout of segment-anything's scripts/amg.py.
PNG_MASKS = ZipFormat(
    "png_masks",
    "PNG masks (zip): a folder per image with a 1-bit PNG per mask and a CSV.",
    _masks,
)
