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


class Pool(PoolHealth):
    """Triton servers on one kind of hardware, their workers, and the work in their queue."""

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
                            "detail": {"servers": [{"address": "triton:8001", "ready": True, "version": "2.71.0"}]},
                        }
                    ],
                    "triton_versions": ["2.71.0"],
                    "warnings": [],
                    "queue": {
                        "images_waiting": 4650,
                        "images_in_progress": 128,
                        "shards_waiting": 146,
                        "shards_in_progress": 4,
                    },
                    "devices": [
                        {
                            "id": "GPU-5fd4f087-7a4c-4f3b-9a6e-1f0a2b3c4d5e",
                            "hardware_id": "0b5d6b7e-7b43-4e5c-8a44-64a5c5a2f2e0",
                            "name": "NVIDIA L4",
                            "kind": "cuda",
                            "busy_share": 0.87,
                            "memory_used_bytes": 3865470566,
                            "memory_total_bytes": 24152899584,
                            "utilization": 0.93,
                            "power_watts": 68.4,
                            "seen_at": "2026-11-22T12:34:55Z",
                        }
                    ],
                }
            ]
        }
    )

    queue: Queue
    devices: list[Device] = Field(description="Devices of ready servers that have replied to a request.")
    triton_versions: list[str] = Field(description="Versions of the Triton servers that workers reach, each once.")
    warnings: list[str] = Field(description="A sentence for each version that lacks fixes of published faults.")


class Pools(BaseModel):
    items: list[Pool]
