from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from samfleet.db.models import Hardware as HardwareRow

_ID = "0b5d6b7e-7b43-4e5c-8a44-64a5c5a2f2e0"


class HardwareName(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    device_name: str
    device_kind: str
    precision: str = Field(
        description=(
            "Arithmetic precision: `fp32`, `bf16`, `fp16`, `tf32`, `tf32x3`, `bf16_products`, `bf16_kernels` or `int8`."
        )
    )
    compilation: str = Field(description="Compilation of the image encoder: `none`, `compile` or `cuda_graphs`.")


class Hardware(HardwareName):
    """Hardware and execution that computed results, as measured inside Triton."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": _ID,
                    "device_name": "NVIDIA L4",
                    "device_kind": "cuda",
                    "precision": "bf16",
                    "compilation": "none",
                    "fingerprint_sha256": "9f86d081884c7d65",
                    "facts": {"driver": "570.86", "torch": "2.13.0", "precision": "bf16", "compilation": "none"},
                    "first_seen_at": "2026-11-22T12:00:00Z",
                }
            ]
        }
    )

    fingerprint_sha256: str = Field(description="Hash of `facts`: equal facts are the same hardware.")
    facts: dict[str, Any]
    first_seen_at: datetime

    @classmethod
    def of(cls, row: HardwareRow) -> Hardware:
        return cls.model_validate(row)


class HardwareList(BaseModel):
    items: list[Hardware]
