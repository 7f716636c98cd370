from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from samfleet.db.models import WorkerHeartbeat


class Worker(BaseModel):
    """A worker process with a recent heartbeat."""

    name: str
    started_at: datetime
    seen_at: datetime
    triton_ready: bool = Field(description="Whether this worker reaches the pool's Triton servers.")
    detail: dict[str, Any] = Field(
        description="Per Triton server: address, whether it is ready, loaded variants, devices."
    )


class Queue(BaseModel):
    """Work of all tenants for this pool, in runs that have not ended."""

    model_config = ConfigDict(from_attributes=True)

    images_waiting: int = Field(description="Images that no worker holds.")
    images_in_progress: int = Field(description="Images of the shards that workers hold, at any stage.")
    shards_waiting: int = Field(description="A job that is not planned yet counts as 0 shards.")
    shards_in_progress: int


class Device(BaseModel):
    """State of a GPU or CPU at its last reply. Values that it does not report are null (docs/operations.md)."""

    id: str = Field(description="NVIDIA's UUID of a GPU, or `cpu`.")
    hardware_id: uuid.UUID | None = Field(description="Id in /v1/hardware; null until one of its results is recorded.")
    name: str
    kind: str = Field(description="`cuda` or `cpu`.")
    busy_share: float = Field(
        description="Share of the last minute in which it computed images that have been returned, 0 to 1."
    )
    memory_used_bytes: int | None = Field(description="Used memory of the whole device, by all processes.")
    memory_total_bytes: int | None
    utilization: float | None = Field(description="NVIDIA's utilization at the last reply, 0 to 1.")
    power_watts: float | None
    seen_at: datetime = Field(description="Time of the last reply, to which all values except `busy_share` refer.")


class LoadingVariant(BaseModel):
    """A variant that a Triton server of the pool is loading."""

    variant: str
    address: str
    since: datetime


class OwnWork(BaseModel):
    """A run of your tenant that workers of the pool compute now."""

    model_config = ConfigDict(from_attributes=True)

    job_id: uuid.UUID
    job_name: str | None
    run_id: uuid.UUID
    variant: str
    shards: int = Field(description="Shards that workers hold.")
    images: int = Field(description="Images of these shards.")


class PoolHealth(BaseModel):
    name: str
    ready: bool = Field(description="Whether a live worker reaches a ready Triton. Jobs are accepted in any case.")
    workers: list[Worker]

    @classmethod
    def of(cls, name: str, heartbeats: Sequence[WorkerHeartbeat]) -> PoolHealth:
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
        return PoolHealth(name=name, ready=any(beat.triton_ready for beat in own), workers=workers)
