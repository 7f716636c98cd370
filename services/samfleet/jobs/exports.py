"""Result files of a run, streamed from its parts in the order of the dataset."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from samfleet.db.models import Run, RunState, Shard, ShardState
from samfleet.errors import NotFound
from samfleet.jobs.parts import read_parts, run_prefix
from samfleet.storage.store import ObjectStore

CHUNK_BYTES = 1 << 20
EVERYTHING_CATEGORY_ID = 1  # SegEvery does not classify; a COCO result needs a category
COPIED = (
    "predicted_iou",
    "stability_score",
    "point_coords",
    "crop_box",
    "annotation_id",
    "detection_id",
    "prompt_index",
    "prompt_box",
)


class RunNotFound(NotFound):
    """There is no run of this id."""

    code = "run_not_found"


class ExportFormat(StrEnum):
    COCO = "coco"
    JSONL = "jsonl"


FILE_NAMES: Mapping[ExportFormat, str] = {ExportFormat.COCO: "coco.json", ExportFormat.JSONL: "results.jsonl"}
MEDIA_TYPES: Mapping[ExportFormat, str] = {
    ExportFormat.COCO: "application/json",
    ExportFormat.JSONL: "application/x-ndjson",
}


def export_key(run_id: uuid.UUID, form: ExportFormat) -> str:
    return f"{run_prefix(run_id)}exports/{FILE_NAMES[form]}"


def results_of_run(session: Session, store: ObjectStore, run_id: uuid.UUID, form: ExportFormat) -> Iterator[bytes]:
    """The export file of a completed run; for any other, what is recorded now, in the same form.

    The database is read before the first byte is asked for, so the session need not outlive the call.
    """
    state = session.scalars(select(Run.state).where(Run.id == run_id)).one_or_none()
    if state is None:
        raise RunNotFound(f"there is no run {run_id}")
    if state is RunState.COMPLETED:
        return _read_object(store, export_key(run_id, form))
    return iter_export(form, read_parts(store, recorded_parts(session, run_id)))


def recorded_parts(session: Session, run_id: uuid.UUID) -> list[str]:
    """Keys of the parts that results refer to, in the order of the dataset."""
    query = select(Shard.part_key).where(Shard.run_id == run_id, Shard.state == ShardState.DONE)
    return [key for key in session.scalars(query.order_by(Shard.index)) if key is not None]


def iter_export(form: ExportFormat, rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """The whole file in chunks of about a mebibyte, whatever the size of an entry."""
    buffer = bytearray()
    for piece in iter_coco(rows) if form is ExportFormat.COCO else iter_jsonl(rows):
        buffer += piece
        if len(buffer) >= CHUNK_BYTES:
            yield bytes(buffer)
            buffer.clear()
    yield bytes(buffer)


def iter_coco(rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """A COCO results array (what `pycocotools.coco.COCO.loadRes` reads), one entry a line."""
    separator = b"[\n"
    for row in rows:
        for mask in row["masks"]:
            yield separator + _json(coco_entry(row["image_id"], mask))
            separator = b",\n"
    yield b"\n]\n" if separator == b",\n" else b"[]\n"


def iter_jsonl(rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """One line per image, failed ones included, as the parts hold them."""
    for row in rows:
        yield _json(row) + b"\n"


def coco_entry(image_id: int, mask: Mapping[str, Any]) -> dict[str, Any]:
    """`score` is what evaluations rank by: the predicted IoU, or the score of the detection that was segmented."""
    return {
        "image_id": image_id,
        "category_id": mask.get("category_id", EVERYTHING_CATEGORY_ID),
        "segmentation": mask["segmentation"],
        "bbox": mask["bbox"],
        "area": mask["area"],
        "score": mask.get("detection_score", mask["predicted_iou"]),
        **{name: mask[name] for name in COPIED if name in mask},
    }


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _read_object(store: ObjectStore, key: str) -> Iterator[bytes]:
    with store.open(key) as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
