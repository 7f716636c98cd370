"""SQL of the contents of uploaded images: which a tenant has, which dataset uses them, and their removal.

The row locks are taken in the order of the hashes, so that two requests with the same contents cannot block each other.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, exists, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from samfleet.db.models import ContentUse, StoredContent

ROOT = "contents/"


@dataclass(frozen=True, slots=True)
class NewContent:
    """Bytes in the store for which no row exists yet; `sha256` is hexadecimal."""

    sha256: str
    size_bytes: int
    key: str


def new_key(tenant_id: uuid.UUID) -> str:
    return f"{ROOT}{tenant_id}/images/{uuid.uuid4().hex}"


def find_contents(
    session: Session, tenant_id: uuid.UUID, hashes: Collection[str], *, locked: bool = False
) -> Mapping[str, StoredContent]:
    """Return the tenant's contents with these hashes. Locked ones cannot be removed until this transaction ends."""
    query = select(StoredContent).where(StoredContent.tenant_id == tenant_id, StoredContent.sha256.in_(hashes))
    if locked:
        query = query.order_by(StoredContent.sha256).with_for_update(read=True, key_share=True)
    return {content.sha256: content for content in session.scalars(query)}


def add_contents(session: Session, tenant_id: uuid.UUID, contents: Collection[NewContent]) -> None:
    """Write the rows. A content that another request has written meanwhile stays as it is."""
    rows = [
        {"tenant_id": tenant_id, "sha256": one.sha256, "size_bytes": one.size_bytes, "key": one.key}
        for one in sorted(contents, key=lambda one: one.sha256)
    ]
    if rows:
        session.execute(insert(StoredContent).values(rows).on_conflict_do_nothing())


def use_contents(session: Session, dataset_id: uuid.UUID, content_ids: Collection[int]) -> None:
    """Record that a dataset uses contents, which must be locked."""
    rows = [{"dataset_id": dataset_id, "content_id": content_id} for content_id in content_ids]
    if rows:
        session.execute(insert(ContentUse).values(rows).on_conflict_do_nothing())


def drop_uses(session: Session, dataset_id: uuid.UUID, limit: int) -> tuple[int, Sequence[str]]:
    """Delete at most `limit` uses of a dataset, and the contents that no dataset uses any more.

    Returns the number of uses deleted and the keys of those contents; their objects may be deleted after the commit.
    The check is a separate statement after the row locks: it sees uses that were committed while this waited.
    """
    chosen = select(ContentUse.content_id).where(ContentUse.dataset_id == dataset_id)
    ids = session.scalars(chosen.order_by(ContentUse.content_id).limit(limit)).all()
    lock = select(StoredContent.id).where(StoredContent.id.in_(ids)).order_by(StoredContent.sha256).with_for_update()
    session.execute(lock)
    session.execute(delete(ContentUse).where(ContentUse.dataset_id == dataset_id, ContentUse.content_id.in_(ids)))
    used = exists().where(ContentUse.content_id == StoredContent.id)
    unused = delete(StoredContent).where(StoredContent.id.in_(ids), ~used).returning(StoredContent.key)
    return len(ids), session.scalars(unused.execution_options(synchronize_session=False)).all()
