"""JSON lines: a row per image, failed ones included, with all fields of the generator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from samfleet.exports.formats.base import ExportOptions, ExportSource
from samfleet.exports.formats.selection import selected_rows


@dataclass(frozen=True, slots=True)
class JsonLines:
    """The rows of the parts, with the official generator's boxes."""

    name: str = "jsonl"
    description: str = "JSON lines: one line per image, failed ones included, with the generator's fields."
    media_type: str = "application/x-ndjson"
    extension: str = "jsonl"

    def write(self, source: ExportSource, options: ExportOptions) -> Iterator[bytes]:
        for row in selected_rows(source, options):
            yield json.dumps(row, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n"
