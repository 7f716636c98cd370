"""Result files of a run, made from its parts when they are asked for, in the order of the dataset."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from samfleet.db.models import Shard, ShardState
from samfleet.errors import NotFound
from samfleet.jobs.parts import read_parts
from samfleet.storage.jsonl import read_blocks
from samfleet.storage.store import ObjectStore

CHUNK_BYTES = 1 << 20
LAYOUT = 1  # goes up with every change of what the same parts become
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


def recorded_parts(session: Session, run_id: uuid.UUID) -> list[str]:
    """Keys of the parts that results refer to, in the order of the dataset."""
    query = select(Shard.part_key).where(Shard.run_id == run_id, Shard.state == ShardState.DONE)
    return [key for key in session.scalars(query.order_by(Shard.index)) if key is not None]


def version_of(form: ExportFormat, parts: Sequence[str]) -> str:
    """Changes whenever the export does: a part never changes, and its key is used once."""
    digest = hashlib.sha256(f"{LAYOUT}\n{form}\n".encode())
    for key in parts:
        digest.update(f"{key}\n".encode())
    return digest.hexdigest()[:32]


def iter_export(store: ObjectStore, parts: Sequence[str], form: ExportFormat) -> Iterator[bytes]:
    """The whole file in chunks of about a mebibyte, whatever the size of an entry."""
    pieces = iter_coco(read_parts(store, parts)) if form is ExportFormat.COCO else iter_jsonl(store, parts)
    buffer = bytearray()
    for piece in pieces:
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


def check_rows(rows: Iterable[Mapping[str, Any]]) -> None:
    """Raise now what would break a download off in the middle."""
    for row in rows:
        for mask in row["masks"]:
            coco_entry(row["image_id"], mask)


def iter_jsonl(store: ObjectStore, parts: Iterable[str]) -> Iterator[bytes]:
    """One line per image, failed ones included: what the parts hold, without parsing it."""
    for key in parts:
        yield from read_blocks(store, key)


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
