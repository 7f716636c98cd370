"""The reply of `GET /v1/pools`, from heartbeats and open work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from samfleet.db.models import WorkerHeartbeat
from samfleet_api.pools.condition import Condition
from samfleet_api.pools.schemas import Device, LoadingVariant, OwnWork, PoolHealth, Queue


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
                    "condition": {"code": "ready", "message": "A worker reaches Triton.", "needs_action": False},
                    "loading": [{"variant": "sam_vit_h", "address": "triton:8001", "since": "2026-11-22T12:34:40Z"}],
                    "work": [
                        {
                            "job_id": "2f4e2083-0d3f-4c0e-8a35-6d0a3c1b9e77",
                            "job_name": "boxes of val2017",
                            "run_id": "7a0f4d53-3f0e-4b58-9f3c-0c4f8f0f6a11",
                            "variant": "mobile_sam",
                            "shards": 4,
                            "images": 128,
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

    condition: Condition
    loading: list[LoadingVariant] = Field(description="Variants that are being loaded, the longest first.")
    work: list[OwnWork] = Field(description="Your tenant's runs that workers compute now, at most 20, oldest first.")
    queue: Queue
    devices: list[Device] = Field(description="Devices of ready servers that have replied to a request.")
    triton_versions: list[str] = Field(description="Versions of the Triton servers that workers reach, each once.")
    warnings: list[str] = Field(description="A sentence for each version that lacks fixes of published faults.")


class Pools(BaseModel):
    items: list[Pool]


def loading_variants(pool: str, heartbeats: Sequence[WorkerHeartbeat]) -> list[LoadingVariant]:
    """Return what the servers of a pool are loading, by the worker that asked for it."""
    servers = [server for beat in heartbeats if beat.pool == pool for server in beat.detail.get("servers", ())]
    found = [
        LoadingVariant(variant=variant, address=server["address"], since=since)
        for server in servers
        for variant, since in _loading(server).items()
    ]
    return sorted(found, key=lambda one: (one.since, one.variant))


def _loading(server: Mapping[str, Any]) -> Mapping[str, Any]:
    loading: Mapping[str, Any] = server.get("loading") or {}  # a worker of an earlier release sends none
    return loading
