from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from samfleet.db.models import Tenant as TenantRow
from samfleet_api.schemas import RequestModel

NAME = r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?$"
TenantName = Annotated[str, StringConstraints(max_length=100, pattern=NAME)]


class CreateTenant(RequestModel):
    """A new tenant. Its name may have letters, digits, `.`, `_` and `-`."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "robotics"}]})

    name: TenantName


class Tenant(BaseModel):
    """A tenant. Its keys see only its own datasets, jobs and runs."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "5d0f9a52-0c5f-4bb2-8b0c-6c7f1c0e9a55",
                    "name": "robotics",
                    "created_at": "2026-11-28T10:00:00Z",
                    "disabled_at": None,
                }
            ]
        }
    )

    id: uuid.UUID
    name: str
    created_at: datetime
    disabled_at: datetime | None = Field(description="Since then its keys are refused; null if it is enabled.")

    @classmethod
    def of(cls, tenant: TenantRow) -> Self:
        return cls(id=tenant.id, name=tenant.name, created_at=tenant.created_at, disabled_at=tenant.disabled_at)
