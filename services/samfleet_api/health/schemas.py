from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Health(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "ok"}]})

    status: Literal["ok"] = "ok"


class Check(BaseModel):
    ok: bool
    detail: str
    ms: float = Field(description="Duration of the check in milliseconds.")


class Readiness(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "status": "ready",
                    "checks": {
                        "database": {"ok": True, "detail": "responds", "ms": 1.2},
                        "broker": {"ok": True, "detail": "responds", "ms": 0.8},
                        "storage": {"ok": True, "detail": "responds", "ms": 0.3},
                        "pools": {"ok": False, "detail": "default: no worker", "ms": 1.1},
                    },
                }
            ]
        }
    )

    status: Literal["ready", "not_ready"]
    checks: dict[str, Check] = Field(
        description="`pools` is reported, but does not affect `status`: jobs wait for Triton."
    )
