"""Deletion of exports: the row in a transaction, then the object.

An object that stays, because the process or the store failed in between, is deleted as an orphan.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from sqlalchemy import Engine, delete, func, select
from sqlalchemy.orm import Session

from samfleet.db.models import Export
from samfleet.db.object_hold import may_delete_objects
from samfleet.db.session import transaction
from samfleet.errors import SamfleetError
from samfleet.logging import get_logger
from samfleet.storage.store import ObjectStore

log = get_logger(__name__)


def delete_export(session: Session, export_id: uuid.UUID) -> str | None:
    """Delete the row; return the key of the object to delete after the commit. A builder notices at its next step."""
    return session.scalars(delete(Export).where(Export.id == export_id).returning(Export.key)).one_or_none()


def delete_expired_exports(engine: Engine, store: ObjectStore, limit: int) -> int:
    """Delete at most `limit` exports that ended more than their `keep_days` ago; return their number.

    Deletes none while a backup holds the objects.
    """
    with may_delete_objects(engine) as allowed:
        return _delete_expired(engine, store, limit) if allowed else 0


def _delete_expired(engine: Engine, store: ObjectStore, limit: int) -> int:
    with transaction(engine) as session:
        days = func.make_interval(0, 0, 0, Export.keep_days)
        expired = select(Export.id).where(Export.keep_days.is_not(None), Export.finished_at < func.now() - days)
        free = expired.order_by(Export.finished_at).limit(limit).with_for_update(skip_locked=True)
        keys = session.scalars(delete(Export).where(Export.id.in_(free)).returning(Export.key)).all()
    _delete_objects(store, [key for key in keys if key is not None])
    return len(keys)


def delete_objects(engine: Engine, store: ObjectStore, keys: Sequence[str]) -> None:
    """Delete objects that no row names any more.

    If the store fails, or a backup holds the objects, the clean-up deletes them later.
    """
    with may_delete_objects(engine) as allowed:
        if allowed:
            _delete_objects(store, keys)


def _delete_objects(store: ObjectStore, keys: Sequence[str]) -> None:
    for key in keys:
        try:
            store.delete(key)
        except SamfleetError as error:
            log.warning("export.object_stays", key=key, code=error.code, reason=error.message)
            return
