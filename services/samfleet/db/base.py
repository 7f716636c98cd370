"""Base of all tables: the naming convention, UUID keys, time zones, enums as text."""

from __future__ import annotations

import enum
import uuid
from datetime import datetime

from sqlalchemy import DateTime, Enum, Index, MetaData, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {datetime: DateTime(timezone=True)}  # noqa: RUF012 - SQLAlchemy reads it from the class


class HasId:
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4, sort_order=-2)


class HasCreatedAt:
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), sort_order=-1)


class HasLabels:
    """Columns with which a tenant keeps order (`samfleet.labels`)."""

    labels: Mapped[dict[str, str]] = mapped_column(JSONB, default=dict, server_default=text("'{}'"))
    notes: Mapped[str | None] = mapped_column(Text)


def label_index(table: str) -> Index:
    """Return the index that finds the rows with a label; it supports only the operator `@>`, and is small for it."""
    return Index(f"ix_{table}_labels", "labels", postgresql_using="gin", postgresql_ops={"labels": "jsonb_path_ops"})


def text_enum(values: type[enum.StrEnum], name: str) -> Enum:
    """Return an enum type stored as text with a CHECK, so that adding a value is a plain migration."""
    return Enum(
        values,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=32,
        values_callable=lambda members: [member.value for member in members],
    )
