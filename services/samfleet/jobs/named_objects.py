"""The objects of the store that rows name: what a backup must contain, and what a check looks for.

Objects of deleted jobs and datasets are left out, because the clean-up deletes objects before their rows.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Select, String, Uuid, cast, func, literal, select, union_all
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from samfleet.datasets.content import STORE_SCHEME
from samfleet.datasets.frame_addresses import PREFIX
from samfleet.db.models import Dataset, DatasetImage, Export, Job, Run, RunPicture, Shard, StoredContent

ROWS_AT_ONCE = 5000


class ObjectKind(StrEnum):
    PART = "part"  # results of a shard, owned by its run
    PICTURE = "picture"  # of a run, for the gallery
    EXPORT = "export"  # of a run
    CONTENT = "content"  # an uploaded image, owned by its tenant
    FILE = "file"  # images, annotations, prompts and the like, owned by their dataset


@dataclass(frozen=True, slots=True)
class NamedObject:
    """An object that a row names. `owner` is the id of the run, tenant or dataset to which its key belongs."""

    key: str
    kind: ObjectKind
    owner: uuid.UUID


def named_objects(session: Session) -> Iterator[NamedObject]:
    """Yield each object once, in the order of the keys' UTF-8 bytes, which is that of `ObjectStore.list`."""
    named = union_all(*_of_runs(), *_of_datasets(), _of(ObjectKind.CONTENT, StoredContent.tenant_id, StoredContent.key))
    rows = named.subquery()
    # The image of a content is named by its row too; the kind and owner of the content are the first of the two.
    first = select(rows.c.key, rows.c.kind, rows.c.owner).ext(distinct_on(rows.c.key.collate("C")))
    query = first.order_by(rows.c.key.collate("C"), rows.c.kind, rows.c.owner)
    for key, kind, owner in session.execute(query.execution_options(yield_per=ROWS_AT_ONCE)):
        yield NamedObject(key, ObjectKind(kind), owner)


def _of_runs() -> list[Select[Any]]:
    columns: tuple[tuple[ObjectKind, Any, Any], ...] = (
        (ObjectKind.PART, Shard.run_id, Shard.part_key),
        (ObjectKind.PICTURE, RunPicture.run_id, RunPicture.key),
        (ObjectKind.EXPORT, Export.run_id, Export.key),
    )
    return [
        _of(kind, run_id, key)
        .join(Run, Run.id == run_id)
        .join(Job, Job.id == Run.job_id)
        .where(Job.deleted_at.is_(None))
        for kind, run_id, key in columns
    ]


def _of_datasets() -> list[Select[Any]]:
    keys: tuple[Any, ...] = (
        Dataset.annotations_key,
        Dataset.detections_key,
        Dataset.prompts_key,
        Dataset.listing["stored"].astext,
    )
    files = [_of(ObjectKind.FILE, Dataset.id, key) for key in keys]
    file = func.regexp_replace(DatasetImage.uri, PREFIX, "", type_=String)  # the one in which a frame lies
    key = func.substr(file, len(STORE_SCHEME) + 1, type_=String)
    images = _of(ObjectKind.FILE, DatasetImage.dataset_id, key).join(Dataset, Dataset.id == DatasetImage.dataset_id)
    files.append(images.where(file.startswith(STORE_SCHEME)))
    return [query.where(Dataset.deleted_at.is_(None)) for query in files]


def _of(kind: ObjectKind, owner: Any, key: Any) -> Select[Any]:
    labelled = literal(kind.value).label("kind"), cast(owner, Uuid).label("owner")
    return select(cast(key, String).label("key"), *labelled).where(key.is_not(None))
