"""SQL queries for tenants."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from samfleet.db.models import Tenant


def find(session: Session, name: str) -> Tenant | None:
    return session.scalars(select(Tenant).where(Tenant.name == name)).one_or_none()


def lock(session: Session, name: str) -> Tenant | None:
    query = select(Tenant).where(Tenant.name == name).with_for_update(key_share=True)
    return session.scalars(query.execution_options(populate_existing=True)).one_or_none()


def add(session: Session, name: str) -> Tenant | None:
    """Create a tenant. Returns None if the name is taken."""
    statement = insert(Tenant).values(name=name).on_conflict_do_nothing(index_elements=["name"])
    return session.scalars(statement.returning(Tenant)).one_or_none()


def page(session: Session, *, before: tuple[datetime, uuid.UUID] | None, limit: int) -> Sequence[Tenant]:
    """Return tenants, newest first. `before` is (created_at, id) of the last one seen."""
    query = select(Tenant)
    if before is not None:
        query = query.where(tuple_(Tenant.created_at, Tenant.id) < before)
    return session.scalars(query.order_by(Tenant.created_at.desc(), Tenant.id.desc()).limit(limit)).all()
