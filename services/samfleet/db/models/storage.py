from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from samfleet.db.base import Base


class RemovedPrefix(Base):
    """A folder of the store that was removed, to be removed again at `due_at`.

    A worker or an upload in progress may have written to it after the first removal.
    """

    __tablename__ = "removed_prefixes"

    prefix: Mapped[str] = mapped_column(String(200), primary_key=True)
    due_at: Mapped[datetime] = mapped_column(index=True)


class RunPicture(Base):
    """A picture of a run in the store, which the dashboard's gallery has requested."""

    __tablename__ = "run_pictures"

    run_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    bytes: Mapped[int] = mapped_column(BigInteger)


class StoreWalk(Base):
    """Position of a walk over the keys of the store: it resumes after the key `after`, not before `due_at`."""

    __tablename__ = "store_walks"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    after: Mapped[str] = mapped_column(String(1024), default="")
    due_at: Mapped[datetime]
