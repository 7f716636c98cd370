"""A manifest of the images of `folder.write_folder`, with an id and metadata for each."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.scale.folder import image_name

ROWS_IN_A_GROUP = 10_000  # of a Parquet file

Entry = dict[str, Any]


def write_manifest(path: Path, form: str, images: int) -> None:
    """Write a manifest in one of `FORMS`, with the paths of images in the folder `images` beside it."""
    FORMS[form](path, (_entry(number) for number in range(images)))


def _entry(number: int) -> Entry:
    metadata = {"camera": f"camera {number % 7}", "taken": f"2026-03-01T12:{number % 60:02}:00Z"}
    return {"image": f"images/{image_name(number)}", "id": f"image/{number}", "metadata": metadata}


def _write_jsonl(path: Path, entries: Iterator[Entry]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{json.dumps(entry)}\n" for entry in entries)


def _write_csv(path: Path, entries: Iterator[Entry]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, ["image", "id", "metadata"])
        table.writeheader()
        table.writerows({**entry, "metadata": json.dumps(entry["metadata"])} for entry in entries)


def _write_parquet(path: Path, entries: Iterator[Entry]) -> None:
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    fields = pa.struct([("camera", pa.string()), ("taken", pa.string())])
    schema = pa.schema([("image", pa.string()), ("id", pa.string()), ("metadata", fields)])
    with ParquetWriter(path, schema) as table:
        while group := list(islice(entries, ROWS_IN_A_GROUP)):
            table.write_table(pa.Table.from_pylist(group, schema))


FORMS: Mapping[str, Callable[[Path, Iterator[Entry]], None]] = {
    "jsonl": _write_jsonl,
    "csv": _write_csv,
    "parquet": _write_parquet,
}
