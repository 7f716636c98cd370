"""CVAT for images 1.1: one XML file with a `<mask>` per mask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from samfleet.exports.formats.archive import json_bytes
from samfleet.exports.formats.base import ExportOptions, ExportSource
from samfleet.exports.formats.classes import Classes, classes_of
from samfleet.exports.formats.pictures import box_of_mask
from samfleet.exports.formats.selection import selected_rows
from samfleet.exports.formats.xml import XML_HEAD, empty_tag, start_tag, text_element
from samfleet.masks.bands import bits_in_bands
from samfleet.masks.row_runs import row_runs


@dataclass(frozen=True, slots=True)
class Cvat:
    """CVAT's XML. Masks, not polygons: CVAT reads both, and only masks keep holes and parts in one object.

    CVAT finds images by their names. Empty masks are left out, because they have no box.
    """

    name: str = "cvat"
    description: str = "CVAT for images 1.1 (XML): exact masks, for Upload annotations of a task."
    media_type: str = "application/xml"
    extension: str = "xml"

    def write(self, source: ExportSource, options: ExportOptions) -> Iterator[bytes]:
        classes = classes_of(source, options)
        yield f"{XML_HEAD}<annotations>\n<version>1.1</version>\n{_meta(source, classes)}\n".encode()
        number = 0
        for row in selected_rows(source, options):
            if row["width"] is not None:
                yield from _image(number, row, classes)
                number += 1
        yield b"</annotations>\n"


def _meta(source: ExportSource, classes: Classes) -> str:
    names = dict.fromkeys(classes.names)  # CVAT refuses a label that occurs twice
    labels = "".join(f"<label>{text_element('name', name)}<attributes/></label>" for name in names)
    task = f"<task>{text_element('name', source.provenance['variant'])}<labels>{labels}</labels></task>"
    return f"<meta>{task}{text_element('provenance', json_bytes(source.provenance).decode())}</meta>"


def _image(number: int, row: Mapping[str, Any], classes: Classes) -> Iterator[bytes]:
    about = {"id": number, "name": row["file_name"], "width": row["width"], "height": row["height"]}
    yield f"{start_tag('image', about)}\n".encode()
    for mask in row["masks"]:
        if mask["area"]:
            yield f"{_mask(mask, classes.names[classes.of(mask)])}\n".encode()
    yield b"</image>\n"


def _mask(mask: Mapping[str, Any], label: str) -> str:
    left, top, right, bottom = box = box_of_mask(mask)
    runs = row_runs(bits_in_bands(mask, box))
    fields = {"label": label, "source": "auto", "occluded": 0, "rle": ", ".join(map(str, runs))}
    return empty_tag(
        "mask", {**fields, "left": left, "top": top, "width": right - left, "height": bottom - top, "z_order": 0}
    )
