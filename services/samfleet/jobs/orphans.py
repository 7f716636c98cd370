"""Deletion of unreferenced objects: interrupted uploads, and leftovers of deleted jobs and datasets.

A walk visits all keys below `contents/`, `datasets/` and `runs/`, some thousands at a time; PostgreSQL stores its
position. Keys of any other form are not ours and stay.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

from sqlalchemy import Engine, String, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from samfleet.datasets.content import STORE_SCHEME
from samfleet.datasets.frame_addresses import PREFIX
from samfleet.db.clock import now
from samfleet.db.models import Dataset, DatasetImage, Export, Run, RunPicture, Shard, StoredContent, StoreWalk, Tenant
from samfleet.db.session import transaction
from samfleet.storage.store import ObjectInfo, ObjectStore

WALK = "orphans"
ROOTS = ("contents/", "datasets/", "runs/")  # in the order of the keys
OBJECTS_AT_ONCE = 5000  # five requests to S3 and a few queries to PostgreSQL
CHECKED = frozenset(
    {"images", "annotations", "detections", "prompts", "manifests", "archives", "parts", "pictures", "exports"}
)  # every object in these folders has a row


@dataclass(frozen=True, slots=True)
class Place:
    """A key of the form `root/owner/folder/…`, split."""

    key: str
    root: str
    owner: uuid.UUID
    folder: str


def delete_orphans(engine: Engine, store: ObjectStore, *, grace: timedelta, interval: timedelta) -> int:
    """Check the next keys of the walk and return the number of objects deleted.

    A walk starts `interval` after the previous one. An object younger than `grace` stays: the row that refers to it may
    not be committed yet. Ages are by the database's clock, because that of this process may be hours ahead.
    """
    with transaction(engine) as session:
        after = _position(session)
        old = now(session) - grace
    if after is None:
        return 0
    if after == "":
        store.discard_unfinished(grace)
    listed = list(islice(_listed(store, after), OBJECTS_AT_ONCE))
    places = [place for place in map(_place, (found.key for found in listed if found.modified < old)) if place]
    with transaction(engine) as session:
        orphans = _orphans(session, places)
    for key in orphans:
        store.delete(key)
    following = listed[-1].key if len(listed) == OBJECTS_AT_ONCE else ""
    with transaction(engine) as session:
        _save_position(session, following, timedelta() if following else interval)
    return len(orphans)


def _position(session: Session) -> str | None:
    """Return the key after which the walk resumes; None if it is not due."""
    walk = session.get(StoreWalk, WALK)
    if walk is None:
        return ""
    due = session.scalar(select(StoreWalk.due_at <= func.now()).where(StoreWalk.name == WALK))
    return walk.after if due else None


def _save_position(session: Session, after: str, wait: timedelta) -> None:
    values = {"after": after, "due_at": func.now() + wait}
    statement = insert(StoreWalk).values(name=WALK, **values)
    session.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))


def _listed(store: ObjectStore, after: str) -> Iterable[ObjectInfo]:
    for root in ROOTS:
        if after < root or after.startswith(root):
            yield from store.list(root, after=after)


def _place(key: str) -> Place | None:
    root, _, rest = key.partition("/")
    owner, _, path = rest.partition("/")
    try:
        return Place(key, root, uuid.UUID(owner), path.partition("/")[0])
    except ValueError:
        return None


def _orphans(session: Session, places: Sequence[Place]) -> list[str]:
    runs = _existing(session, Run, {place.owner for place in places if place.root == "runs"})
    datasets = _existing(session, Dataset, {place.owner for place in places if place.root == "datasets"})
    tenants = _existing(session, Tenant, {place.owner for place in places if place.root == "contents"})
    owners = runs | datasets | tenants
    owned = [place for place in places if place.owner in owners]
    named = _named(session, [place for place in owned if place.folder in CHECKED])
    ownerless = [place.key for place in places if place.owner not in owners]
    unnamed = [place.key for place in owned if place.folder in CHECKED and place.key not in named]
    return [*ownerless, *unnamed]


def _existing(session: Session, table: type[Run | Dataset | Tenant], ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    return set(session.scalars(select(table.id).where(table.id.in_(ids)))) if ids else set()


def _named(session: Session, places: Sequence[Place]) -> set[str]:
    """Return the keys that a row refers to."""
    datasets = {place.owner for place in places if place.root == "datasets"}
    runs = {place.owner for place in places if place.root == "runs"}
    contents = [place.key for place in places if place.root == "contents"]
    named = (
        set(session.scalars(select(StoredContent.key).where(StoredContent.key.in_(contents)))) if contents else set()
    )
    if datasets:
        uris = [STORE_SCHEME + place.key for place in places if place.folder == "images"]
        file = func.regexp_replace(DatasetImage.uri, PREFIX, "", type_=String)  # the one in which a frame lies
        of_images = select(file).distinct().where(DatasetImage.dataset_id.in_(datasets), file.in_(uris))
        named.update(uri.removeprefix(STORE_SCHEME) for uri in session.scalars(of_images))
        keys = (Dataset.annotations_key, Dataset.detections_key, Dataset.prompts_key, Dataset.listing["stored"].astext)
        files = select(*keys).where(Dataset.id.in_(datasets))
        named.update(key for row in session.execute(files) for key in row if key is not None)
    if runs:
        parts = select(Shard.part_key).where(Shard.run_id.in_(runs), Shard.part_key.is_not(None))
        named.update(key for key in session.scalars(parts) if key is not None)
        named.update(session.scalars(select(RunPicture.key).where(RunPicture.run_id.in_(runs))))
        exports = select(Export.key).where(Export.run_id.in_(runs), Export.key.is_not(None))
        named.update(key for key in session.scalars(exports) if key is not None)
    return named
