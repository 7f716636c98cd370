"""Result files of a run, made from its parts on request, in the order of the dataset."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from samfleet.db.models import Shard
from samfleet.errors import NotFound
from samfleet.jobs.coco_files import BoxForm, Instances, iter_instances, iter_results
from samfleet.jobs.parts import read_parts
from samfleet.storage.jsonl import read_blocks
from samfleet.storage.store import ObjectStore

CHUNK_BYTES = 1 << 20
LAYOUT = 3  # increased whenever the same parts produce a different file


class RunNotFound(NotFound):
    """The run does not exist."""

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
    """Return the keys of the parts that results refer to, in the order of the dataset.

    A shard that is retried has its earlier part until the next one is recorded.
    """
    query = select(Shard.part_key).where(Shard.run_id == run_id, Shard.part_key.is_not(None))
    return [key for key in session.scalars(query.order_by(Shard.index)) if key is not None]


@dataclass(frozen=True, slots=True)
class Export:
    """Description of a result file.

    `instances` applies only to `ExportFormat.INSTANCES`. `boxes` does not apply to JSON lines, which are the stored
    parts, with the official generator's boxes.
    """

    form: ExportFormat
    boxes: BoxForm = BoxForm.PIXELS
    instances: Instances = field(default_factory=lambda: Instances({}))

    def version(self, parts: Sequence[str]) -> str:
        """Return a hash of the export's contents. The keys suffice: a part never changes and its key is used once."""
        about = json.dumps([self.instances.info, self.instances.categories], sort_keys=True)
        digest = hashlib.sha256(f"{LAYOUT}\n{self.form}\n{self.boxes}\n{about}\n".encode())
        for key in parts:
            digest.update(f"{key}\n".encode())
        return digest.hexdigest()[:32]


def iter_export(store: ObjectStore, parts: Sequence[str], export: Export) -> Iterator[bytes]:
    return in_chunks(_pieces(store, parts, export))


def in_chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Join small pieces to chunks of about a mebibyte; pieces may be larger."""
    buffer = bytearray()
    for piece in pieces:
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
    """Yield the contents of the parts unparsed: one line per image, failed ones included."""
    for key in parts:
        yield from read_blocks(store, key)
