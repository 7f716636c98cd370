from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from samfleet.db.models import Tenant as TenantRow
from samfleet_api.schemas import RequestModel

NAME = r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?$"
OPEN_JOBS = "Maximum jobs that it may have queued, running or paused at a time; null: `SAMFLEET_MAX_OPEN_JOBS` decides."
OPEN_IMAGES = (
    "Maximum images that the runs of its open jobs may have left to record; null: `SAMFLEET_MAX_OPEN_IMAGES` decides."
)
REQUESTS = "Maximum requests per minute of its keys together; null: `SAMFLEET_TENANT_REQUESTS_PER_MINUTE` decides."
TenantName = Annotated[str, StringConstraints(max_length=100, pattern=NAME)]
Limit = Annotated[int, Field(ge=1, le=2**31 - 1, strict=True)]


class CreateTenant(RequestModel):
    """A new tenant. Its name may have letters, digits, `.`, `_` and `-`."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "robotics"}]})

    name: TenantName


class UpdateTenant(RequestModel):
    """Changed fields of a tenant. `null` as a limit means the server's default."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"weight": 2.0}, {"max_open_jobs": 50}]})

    weight: float = Field(
        default=1.0,
        ge=0.01,
        le=100,
        allow_inf_nan=False,
        strict=True,
        description="Its share of a pool, relative to those of the other tenants with work there.",
    )
    max_open_jobs: Limit | None = Field(default=None, description=OPEN_JOBS)
    max_open_images: Limit | None = Field(default=None, description=OPEN_IMAGES)
    requests_per_minute: Limit | None = Field(default=None, description=REQUESTS)


class Tenant(BaseModel):
    """A tenant. Its keys see only its own datasets, jobs and runs."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "5d0f9a52-0c5f-4bb2-8b0c-6c7f1c0e9a55",
                    "name": "robotics",
                    "weight": 1.0,
                    "max_open_jobs": None,
                    "max_open_images": None,
                    "requests_per_minute": None,
                    "created_at": "2026-11-28T10:00:00Z",
                    "disabled_at": None,
                }
            ]
        }
    )

    id: uuid.UUID
    name: str
    weight: float = Field(description="Its share of a pool, relative to those of the other tenants with work there.")
    max_open_jobs: int | None = Field(description=OPEN_JOBS)
    max_open_images: int | None = Field(description=OPEN_IMAGES)
    requests_per_minute: int | None = Field(description=REQUESTS)
    created_at: datetime
    disabled_at: datetime | None = Field(description="Since then its keys are refused; null if it is enabled.")

    @classmethod
    def of(cls, tenant: TenantRow) -> Self:
        return cls(
            id=tenant.id,
            name=tenant.name,
            weight=tenant.weight,
            max_open_jobs=tenant.max_open_jobs,
            max_open_images=tenant.max_open_images,
            requests_per_minute=tenant.requests_per_minute,
            created_at=tenant.created_at,
            disabled_at=tenant.disabled_at,
        )
