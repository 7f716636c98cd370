"""Parquet: a table with a row per mask. It needs pyarrow, which is an extra."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from samfleet.exports.errors import ExportLibraryMissing
from samfleet.exports.formats.archive import Sink, json_bytes
from samfleet.exports.formats.base import ExportOptions, ExportSource
from samfleet.exports.formats.classes import Classes, classes_of
from samfleet.exports.formats.selection import confidence, selected_rows
from samfleet.jobs.coco_files import BoxForm, box_of

ROWS_IN_GROUP = 10_000  # about 10 MB in memory
COLUMNS = {
    "image_id": "int64",
    "file_name": "string",
    "external_id": "string",
    "metadata": "string",
    "width": "int32",
    "height": "int32",
    "mask": "int32",
    "category_id": "int64",
    "category": "string",
    "area": "int64",
    "bbox_x": "float64",
    "bbox_y": "float64",
    "bbox_width": "float64",
    "bbox_height": "float64",
    "score": "float64",
    "predicted_iou": "float64",
    "stability_score": "float64",
    "rle": "string",
    "review_mask": "int32",
    "review_state": "string",
    "review_category": "string",
    "review_merged": "string",
    "reviewed_by": "string",
    "reviewed_at": "string",
}


@dataclass(frozen=True, slots=True)
class Parquet:
    """A table of masks. `rle` has COCO's compressed counts for [height, width], `metadata` is the image's as JSON. The
    metadata `samfleet` of the file is provenance. `review_mask` is the index of the mask in the run's result, from 0,
    and `review_merged` the JSON list of all masks of its object; the columns are null for masks without a review.

    Images without masks have no row.
    """

    name: str = "parquet"
    description: str = "Parquet: one row per mask with its image, category, scores and RLE, for pandas, DuckDB, Spark."
    media_type: str = "application/vnd.apache.parquet"
    extension: str = "parquet"

    def write(self, source: ExportSource, options: ExportOptions) -> Iterator[bytes]:
        arrow, writer_of = _library()
        fields = [(name, getattr(arrow, kind)()) for name, kind in COLUMNS.items()]
        schema = arrow.schema(fields, metadata={"samfleet": json_bytes(source.provenance)})
        classes, sink, rows = classes_of(source, options), Sink(), []
        with writer_of(arrow.PythonFile(sink, mode="w"), schema, compression="zstd") as writer:
            for row in _rows(source, options, classes):
                rows.append(row)
                if len(rows) == ROWS_IN_GROUP:
                    writer.write_table(arrow.Table.from_pylist(rows, schema))
                    rows.clear()
                    yield sink.taken()
            if rows:
                writer.write_table(arrow.Table.from_pylist(rows, schema))
        yield sink.taken()


def _library() -> tuple[Any, Any]:
    """Return pyarrow and its `ParquetWriter`. Raises `ExportLibraryMissing`."""
    try:
        import pyarrow as pa
        from pyarrow.parquet import ParquetWriter
    except ImportError as error:
        raise ExportLibraryMissing(
            "exports as parquet need pyarrow, which the worker does not have; "
            "run pip install 'samfleet[parquet]' there, restart it, and ask for the export again"
        ) from error
    return pa, ParquetWriter


def _rows(source: ExportSource, options: ExportOptions, classes: Classes) -> Iterator[dict[str, Any]]:
    for row in selected_rows(source, options):
        image = {name: row[name] for name in ("image_id", "file_name", "width", "height")}
        image["external_id"] = row.get("external_id")
        image["metadata"] = json_bytes(row["metadata"]).decode() if "metadata" in row else None
        for number, mask in enumerate(row["masks"], start=1):
            yield {**image, "mask": number, **_fields(mask, classes)}


def _fields(mask: Mapping[str, Any], classes: Classes) -> dict[str, Any]:
    x, y, width, height = box_of(mask, BoxForm.PIXELS)
    return {
        "category_id": mask.get("category_id"),
        "category": classes.names[classes.of(mask)],
        "area": mask["area"],
        "bbox_x": x,
        "bbox_y": y,
        "bbox_width": width,
        "bbox_height": height,
        "score": confidence(mask),
        "predicted_iou": mask["predicted_iou"],
        "stability_score": mask["stability_score"],
        "rle": mask["segmentation"]["counts"],
        **_review(mask.get("review", {})),
    }


def _review(review: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "review_mask": review.get("mask"),
        "review_state": review.get("state"),
        "review_category": review.get("category"),
        "review_merged": json_bytes(review["merged"]).decode() if "merged" in review else None,
        "reviewed_by": review.get("by"),
        "reviewed_at": review.get("at"),
    }
