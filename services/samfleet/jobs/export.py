"""Result files of a run, made from its parts when they are asked for, in the order of the dataset."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from samfleet.db.models import Shard, ShardState
from samfleet.errors import NotFound
from samfleet.jobs.coco_files import BoxForm, Instances, iter_instances, iter_results
from samfleet.jobs.parts import read_parts
from samfleet.storage.jsonl import read_blocks
from samfleet.storage.store import ObjectStore

CHUNK_BYTES = 1 << 20
LAYOUT = 2  # goes up with every change of what the same parts become


class RunNotFound(NotFound):
    """There is no run of this id."""

    code = "run_not_found"


class ExportFormat(StrEnum):
    COCO = "coco"
    INSTANCES = "instances"
    JSONL = "jsonl"


FILE_NAMES: Mapping[ExportFormat, str] = {
    ExportFormat.COCO: "coco.json",
    ExportFormat.INSTANCES: "instances.json",
    ExportFormat.JSONL: "results.jsonl",
}
MEDIA_TYPES: Mapping[ExportFormat, str] = {
    ExportFormat.COCO: "application/json",
    ExportFormat.INSTANCES: "application/json",
    ExportFormat.JSONL: "application/x-ndjson",
}


def recorded_parts(session: Session, run_id: uuid.UUID) -> list[str]:
    """Keys of the parts that results refer to, in the order of the dataset."""
    query = select(Shard.part_key).where(Shard.run_id == run_id, Shard.state == ShardState.DONE)
    return [key for key in session.scalars(query.order_by(Shard.index)) if key is not None]


@dataclass(frozen=True, slots=True)
class Export:
    """What a file is made of. `instances` counts for `ExportFormat.INSTANCES` alone, and `boxes` not for JSON lines,
    which are the parts as they lie in the store, with the official generator's boxes.
    """

    form: ExportFormat
    boxes: BoxForm = BoxForm.PIXELS
    instances: Instances = field(default_factory=lambda: Instances({}))

    def version(self, parts: Sequence[str]) -> str:
        """Changes whenever the export does: a part never changes, and its key is used once."""
        about = json.dumps([self.instances.info, self.instances.categories], sort_keys=True)
        digest = hashlib.sha256(f"{LAYOUT}\n{self.form}\n{self.boxes}\n{about}\n".encode())
        for key in parts:
            digest.update(f"{key}\n".encode())
        return digest.hexdigest()[:32]


def iter_export(store: ObjectStore, parts: Sequence[str], export: Export) -> Iterator[bytes]:
    """The whole file in chunks of about a mebibyte, whatever the size of an entry."""
    buffer = bytearray()
    for piece in _pieces(store, parts, export):
        buffer += piece
        if len(buffer) >= CHUNK_BYTES:
            yield bytes(buffer)
            buffer.clear()
    yield bytes(buffer)


def _pieces(store: ObjectStore, parts: Sequence[str], export: Export) -> Iterator[bytes]:
    if export.form is ExportFormat.JSONL:
        return iter_jsonl(store, parts)
    if export.form is ExportFormat.INSTANCES:
        return iter_instances(lambda: read_parts(store, parts), export.instances, export.boxes)
    return iter_results(read_parts(store, parts), export.boxes)


def iter_jsonl(store: ObjectStore, parts: Iterable[str]) -> Iterator[bytes]:
    """One line per image, failed ones included: what the parts hold, without parsing it."""
    for key in parts:
        yield from read_blocks(store, key)
