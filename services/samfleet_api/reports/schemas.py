from __future__ import annotations

import enum
import uuid
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue

_ROW: dict[str, JsonValue] = {
    "variant": "mobile_sam",
    "hardware": "NVIDIA L4",
    "hardware_id": "0b5d6b7e-7b43-4e5c-8a44-64a5c5a2f2e0",
    "stage": "encode",
    "site": "local",
    "code_version": "0.1.0",
    "parameters": "3f2a9c10b7d4",
    "task_in_words": "everything, 32 points per side",
    "n": 4990,
    "failures": 0,
    "mean_ms": 7.9,
    "p50_ms": 7.8,
    "p90_ms": 8.3,
    "p95_ms": 8.6,
    "p99_ms": 9.4,
}


class ReportFormat(enum.StrEnum):
    JSON = "json"
    CSV = "csv"


class StageName(BaseModel):
    name: str = Field(examples=["encode"])
    on_device: bool = Field(description="Computed on the device; other stages run on the host or are waiting time.")


class StageList(BaseModel):
    """Stages in their order, the waiting in queues first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [{"name": "encode", "on_device": True}]}]})

    items: list[StageName]


class Report(BaseModel):
    """Rows with the same columns in the same order."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "rows": [_ROW],
                    "parameters": {"3f2a9c10b7d4": {"task": {"kind": "everything"}, "checkpoint_sha256": "6dbb9052"}},
                }
            ]
        }
    )

    rows: list[dict[str, str | int | float | bool | None]]
    parameters: dict[str, Any] = Field(description="Parameters by the digests in the rows' `parameters`.")
    note: str | None = Field(default=None, description="Reason for an empty `compare`.")


class Price(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"per_hour": 0.81, "currency": "USD"}]})

    per_hour: float = Field(ge=0, le=1e9, allow_inf_nan=False, strict=True)
    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$", description="ISO 4217.")


class HardwarePrice(Price):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"hardware_id": _ROW["hardware_id"], "per_hour": 0.81, "currency": "USD"}]}
    )

    hardware_id: uuid.UUID
