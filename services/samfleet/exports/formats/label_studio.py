"""Label Studio: a JSON array of tasks with predictions, as brushes or as polygons."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from samfleet.exports.formats.archive import json_bytes
from samfleet.exports.formats.base import ExportOptions, ExportSource
from samfleet.exports.formats.classes import Classes, classes_of
from samfleet.exports.formats.pictures import bits_of
from samfleet.exports.formats.polygons import Corners, polygons_of
from samfleet.exports.formats.runs import brush_rle
from samfleet.exports.formats.selection import confidence, selected_rows

FROM_NAME, TO_NAME = "label", "image"  # of the tags in the project's labelling interface

# Returns the regions of a mask: the end of their ids and their values, without the label.
Regions = Callable[[Mapping[str, Any], ExportOptions], Iterator[tuple[str, dict[str, Any]]]]


@dataclass(frozen=True, slots=True)
class LabelStudio:
    """Tasks with one prediction each. `kind` is the type of the regions and of the tag that shows them."""

    name: str
    description: str
    kind: str
    regions: Regions
    media_type: str = "application/json"
    extension: str = "json"

    def write(self, source: ExportSource, options: ExportOptions) -> Iterator[bytes]:
        classes = classes_of(source, options)
        separator = b"["
        for row in selected_rows(source, options):
            if row["width"] is not None:
                yield separator + b"\n" + json_bytes(self._task(row, source, options, classes))
                separator = b","
        yield b"\n]\n" if separator == b"," else b"[]\n"

    def _task(
        self, row: Mapping[str, Any], source: ExportSource, options: ExportOptions, classes: Classes
    ) -> dict[str, Any]:
        result = list(self._results(row, options, classes))
        return {
            "data": {TO_NAME: row["file_name"], "image_id": row["image_id"]},
            "meta": source.provenance,
            "predictions": [{"model_version": source.provenance["variant"], "result": result}],
        }

    def _results(self, row: Mapping[str, Any], options: ExportOptions, classes: Classes) -> Iterator[dict[str, Any]]:
        for number, mask in enumerate(row["masks"], start=1):
            for part, value in self.regions(mask, options):
                yield {
                    "id": f"{number}{part}",
                    "type": self.kind,
                    "from_name": FROM_NAME,
                    "to_name": TO_NAME,
                    "original_width": row["width"],
                    "original_height": row["height"],
                    "image_rotation": 0,
                    "score": confidence(mask),
                    "value": {**value, self.kind: [classes.names[classes.of(mask)]]},
                }


def _brush(mask: Mapping[str, Any], _options: ExportOptions) -> Iterator[tuple[str, dict[str, Any]]]:
    if mask["area"]:
        yield "", {"format": "rle", "rle": list(brush_rle(bits_of(mask)))}


def _polygons(mask: Mapping[str, Any], options: ExportOptions) -> Iterator[tuple[str, dict[str, Any]]]:
    height, width = mask["segmentation"]["size"]
    rings = polygons_of(mask["segmentation"], options.tolerance, Corners.EDGES)
    for part, ring in enumerate(rings, start=1):
        percent = np.round(ring / (width, height) * 100, 6)
        yield (f"-{part}" if len(rings) > 1 else ""), {"points": percent.tolist(), "closed": True}


LABEL_STUDIO = LabelStudio(
    "label_studio",
    "Label Studio (JSON): a task per image, predictions as exact brushes, to import into a project.",
    "brushlabels",
    _brush,
)
LABEL_STUDIO_POLYGONS = LabelStudio(
    "label_studio_polygons",
    "Label Studio (JSON): a task per image, predictions as polygons, one per part of a mask.",
    "polygonlabels",
    _polygons,
)
