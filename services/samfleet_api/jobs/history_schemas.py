from __future__ import annotations

import uuid
from datetime import datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from samfleet.db.models import JobEvent
from samfleet_api.actors import ACTOR, KEY_NAME
from samfleet_api.runs.schemas import RUN_EXAMPLE


class JobChange(BaseModel):
    """One change of a job or of one of its runs."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": 1207,
                    "at": "2026-11-22T12:03:07Z",
                    "run_id": RUN_EXAMPLE["id"],
                    "variant": "mobile_sam",
                    "pool": "default",
                    "from_state": "running",
                    "to_state": "paused",
                    "actor": "key:8f1d2b7c-3a55-4a0e-9c44-5f0a9d7e6b21",
                    "key": "laptop of Ann",
                    "reason": "the job was paused",
                }
            ]
        }
    )

    id: int
    at: datetime
    run_id: uuid.UUID | None = Field(description="The run that changed; null for the job itself.")
    variant: str | None
    pool: str | None
    from_state: str | None = Field(description="Null at the submission; equal to `to_state` for other changes.")
    to_state: str
    actor: str = Field(description=ACTOR)
    key: str | None = Field(description=KEY_NAME)
    reason: str | None

    @classmethod
    def of(cls, event: JobEvent, key: str | None, variant: str | None, pool: str | None) -> Self:
        return cls(
            id=event.id,
            at=event.at,
            run_id=event.run_id,
            variant=variant,
            pool=pool,
            from_state=event.from_state,
            to_state=event.to_state,
            actor=event.actor,
            key=key,
            reason=event.detail,
        )
