from __future__ import annotations

import uuid

from sqlalchemy import BigInteger, ForeignKey, Identity, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from samfleet.db.base import Base


class StoredContent(Base):
    """The bytes of an uploaded image in the store, once per tenant; all its datasets with these bytes share them.

    `key` is never used again for other bytes. The server computed `sha256` (hexadecimal) from the bytes it received.
    """

    __tablename__ = "stored_contents"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    tenant_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    sha256: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    key: Mapped[str] = mapped_column(String(200), unique=True)

    __table_args__ = (UniqueConstraint("tenant_id", "sha256"),)


class ContentUse(Base):
    """A dataset that uses a content. The content without uses is removed with its last dataset."""

    __tablename__ = "content_uses"

    dataset_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True)
    content_id: Mapped[int] = mapped_column(ForeignKey("stored_contents.id"), primary_key=True, index=True)
