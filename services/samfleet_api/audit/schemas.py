from __future__ import annotations

import uuid
from datetime import datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from samfleet.db.models import AuditEvent


class AuditEntry(BaseModel):
    """One change of a key, tenant or webhook."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": 17,
                    "at": "2026-11-28T10:00:00Z",
                    "actor_key_id": "8f1d2b7c-3a55-4a0e-9c44-5f0a9d7e6b21",
                    "actor": "bootstrap",
                    "action": "key.created",
                    "tenant": "robotics",
                    "subject_id": "0b7f6a3e-6f1d-4e0a-9d53-2c1f5d0a7b11",
                    "detail": {"name": "laptop of Ann", "scope": "submit", "expires_at": None},
                }
            ]
        }
    )

    id: int
    at: datetime
    actor_key_id: uuid.UUID | None = Field(description="The key that made the change; null for the server itself.")
    actor: str = Field(description="Name of this key, or the part of the server.")
    action: str
    tenant: str = Field(description="The tenant that owns the subject; of a pull, the one that asked for it.")
    subject_id: uuid.UUID = Field(description="Id of the key, tenant, webhook or pull.")
    detail: dict[str, JsonValue] = Field(description="What was changed, without secrets.")

    @classmethod
    def of(cls, row: AuditEvent) -> Self:
        return cls(
            id=row.id,
            at=row.at,
            actor_key_id=row.actor_key_id,
            actor=row.actor,
            action=row.action,
            tenant=row.tenant,
            subject_id=row.subject_id,
            detail=row.detail,
        )
