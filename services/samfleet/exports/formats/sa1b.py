"""SA-1B: a JSON file per image, with masks as RLE and the official generator's boxes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from samfleet.exports.formats.archive import Member, MemberNames, ZipFormat, json_bytes, provenance_of
from samfleet.exports.formats.base import ExportOptions, ExportSource
from samfleet.exports.formats.selection import selected_rows
from samfleet.jobs.parts import OF_MANIFEST

IMAGE_FIELDS = ("image_id", "width", "height", "file_name")


def _members(source: ExportSource, options: ExportOptions) -> Iterator[Member]:
    names, number = MemberNames(), 0
    for row in selected_rows(source, options):
        if row["width"] is not None:
            annotations = _annotations(row, number)
            number += len(annotations)
            image = {name: row[name] for name in (*IMAGE_FIELDS, *OF_MANIFEST) if name in row}
            document = {"image": image, "annotations": annotations}
            yield f"annotations/{names.name(row['file_name'], '.json')}", json_bytes(document)
    yield provenance_of(source.provenance, names)


def _annotations(row: Mapping[str, Any], before: int) -> list[dict[str, Any]]:
    """Return the masks with ids that no other image has; `before` masks come first in the file."""
    return [{"id": number, **mask} for number, mask in enumerate(row["masks"], start=before + 1)]


# The form of the data set SA-1B. Boxes are one pixel smaller than those of pycocotools.
SA1B = ZipFormat(
    "sa1b",
    "SA-1B (zip): a JSON file per image, masks as RLE with all fields of the generator.",
    _members,
)
