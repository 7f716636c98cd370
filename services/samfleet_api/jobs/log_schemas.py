from __future__ import annotations

import uuid
from datetime import datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from samfleet.db.models import JobLogLine, LogLevel
from samfleet_api.runs.schemas import RUN_EXAMPLE


class LogLine(BaseModel):
    """A line of a job's log."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": 48213,
                    "at": "2026-11-22T12:03:07.412Z",
                    "level": "warning",
                    "code": "images_failed",
                    "message": "2 images failed with image_truncated: 0012.jpg, 0019.jpg",
                    "run_id": RUN_EXAMPLE["id"],
                    "variant": "mobile_sam",
                    "pool": "default",
                    "shard": 3,
                }
            ]
        }
    )

    id: int = Field(description="Grows with time; pass the last one as `after` to get what follows.")
    at: datetime
    level: LogLevel = Field(description="`warning`: single images failed, or it is tried again; `error`: a run failed.")
    code: str = Field(description="Stable; docs/api.md lists them.")
    message: str
    run_id: uuid.UUID | None = Field(description="Null for the job itself.")
    variant: str | None
    pool: str | None
    shard: int | None = Field(description="Index of the shard in its run, from 0.")

    @classmethod
    def of(cls, line: JobLogLine, variant: str | None, pool: str | None) -> Self:
        return cls(
            id=line.id,
            at=line.at,
            level=line.level,
            code=line.code,
            message=line.message,
            run_id=line.run_id,
            variant=variant,
            pool=pool,
            shard=line.shard,
        )
