from __future__ import annotations

import uuid
from datetime import datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from samfleet.db.models import Deleted
from samfleet.db.models import Deletion as DeletionRow
from samfleet_api.actors import ACTOR, KEY_NAME


class Deletion(BaseModel):
    """One deleted job or dataset."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": 41,
                    "kind": "job",
                    "subject_id": "0b7f6a3e-6f1d-4e0a-9d53-2c1f5d0a7b11",
                    "name": "boxes of val2017",
                    "at": "2026-11-28T10:00:00Z",
                    "actor": "system:storage.clean",
                    "key": None,
                    "reason": "ended more than 30 days ago",
                }
            ]
        }
    )

    id: int
    kind: Deleted
    subject_id: uuid.UUID = Field(description="Id of the job or dataset.")
    name: str | None
    at: datetime
    actor: str = Field(description=ACTOR)
    key: str | None = Field(description=KEY_NAME)
    reason: str

    @classmethod
    def of(cls, row: DeletionRow, key: str | None) -> Self:
        return cls(
            id=row.id,
            kind=row.kind,
            subject_id=row.subject_id,
            name=row.name,
            at=row.at,
            actor=row.actor,
            key=key,
            reason=row.reason,
        )
