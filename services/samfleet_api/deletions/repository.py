"""SQL queries for deletions."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from samfleet.db.models import Deleted, Deletion
from samfleet_api.actors import key_name


class ListedDeletion(NamedTuple):
    deletion: Deletion
    key: str | None


def page(
    session: Session, tenant_id: uuid.UUID, *, kind: Deleted | None, before: int | None, limit: int
) -> Sequence[ListedDeletion]:
    """Return deletions, newest first, with the names of their keys. `before` is the id of the last one seen."""
    query = select(Deletion, key_name(Deletion.actor, tenant_id)).where(Deletion.tenant_id == tenant_id)
    if kind is not None:
        query = query.where(Deletion.kind == kind)
    if before is not None:
        query = query.where(Deletion.id < before)
    return [ListedDeletion(*row) for row in session.execute(query.order_by(Deletion.id.desc()).limit(limit))]
