"""Label Studio: a JSON array of tasks with predictions, as brushes or as polygons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from samfleet.exports.formats.archive import json_bytes
from samfleet.exports.formats.base import ExportOptions, ExportSource
from samfleet.exports.formats.classes import Classes, classes_of
from samfleet.exports.formats.selection import confidence, selected_rows
from samfleet.jobs.parts import OF_MANIFEST
from samfleet.masks.label_studio import BRUSHES, POLYGONS, RegionForm

FROM_NAME, TO_NAME = "label", "image"  # of the tags in the project's labelling interface


@dataclass(frozen=True, slots=True)
class LabelStudio:
    """Tasks with one prediction each, whose regions have one form."""

    name: str
    description: str
    form: RegionForm
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
        stated = {name: row[name] for name in OF_MANIFEST if name in row}
        return {
            "data": {TO_NAME: row["file_name"], "image_id": row["image_id"], **stated},
            "meta": source.provenance,
            "predictions": [{"model_version": source.provenance["variant"], "result": result}],
        }

    def _results(self, row: Mapping[str, Any], options: ExportOptions, classes: Classes) -> Iterator[dict[str, Any]]:
        for number, mask in enumerate(row["masks"], start=1):
            for part, value in self.form.values(mask, options.tolerance):
                yield {
                    "id": f"{number}{part}",
                    "type": self.form.kind,
                    "from_name": FROM_NAME,
                    "to_name": TO_NAME,
                    "original_width": row["width"],
                    "original_height": row["height"],
                    "image_rotation": 0,
                    "score": confidence(mask),
                    "value": {**value, self.form.kind: [classes.names[classes.of(mask)]]},
                }


LABEL_STUDIO = LabelStudio(
    "label_studio",
    "Label Studio (JSON): a task per image, predictions as exact brushes, to import into a project.",
    BRUSHES,
)
LABEL_STUDIO_POLYGONS = LabelStudio(
    "label_studio_polygons",
    "Label Studio (JSON): a task per image, predictions as polygons, one per part of a mask.",
    POLYGONS,
)
