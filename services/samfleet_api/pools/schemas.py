from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from samfleet.db.models import WorkerHeartbeat


class Worker(BaseModel):
    """A worker process with a fresh sign of life."""

    name: str
    started_at: datetime
    seen_at: datetime
    triton_ready: bool = Field(description="Whether the pool's Triton servers answer this worker.")
    detail: dict[str, Any] = Field(description="Per Triton server: address, whether it is ready, loaded variants.")


class Pool(BaseModel):
    """Triton servers on one kind of hardware, and the workers that feed them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "default",
                    "ready": True,
                    "workers": [
                        {
                            "name": "worker@host-1",
                            "started_at": "2026-11-22T12:00:00Z",
                            "seen_at": "2026-11-22T12:34:56Z",
                            "triton_ready": True,
                            "detail": {"servers": [{"address": "triton:8001", "ready": True}]},
                        }
                    ],
                }
            ]
        }
    )

    name: str
    ready: bool = Field(description="Whether a living worker reaches a Triton that is ready. Jobs are taken anyway.")
    workers: list[Worker]

    @classmethod
    def of(cls, name: str, heartbeats: Sequence[WorkerHeartbeat]) -> Pool:
        own = [beat for beat in heartbeats if beat.pool == name]
        workers = [
            Worker(
                name=beat.worker,
                started_at=beat.started_at,
                seen_at=beat.seen_at,
                triton_ready=beat.triton_ready,
                detail=beat.detail,
            )
            for beat in own
        ]
        return cls(name=name, ready=any(beat.triton_ready for beat in own), workers=workers)


class Pools(BaseModel):
    items: list[Pool]
