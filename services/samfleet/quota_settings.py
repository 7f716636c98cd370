"""Settings of what tenants may ask for, a part of `samfleet.config.Settings`."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings


class QuotaSettings(BaseSettings):
    allow_pulls: bool = Field(
        default=True,
        description="Whether requests may fetch the weights of variants into SAMFLEET_WEIGHTS_DIR.",
    )
    max_open_jobs: int | None = Field(
        default=None,
        ge=1,
        le=2**31 - 1,
        description="Maximum jobs that a tenant without its own limit may have open at a time. Unset: any number.",
    )
    max_open_images: int | None = Field(
        default=None,
        ge=1,
        le=2**31 - 1,
        description="Maximum images that a tenant without its own limit may have open at a time: those that the runs "
        "of its open jobs have not recorded yet. Unset: any number.",
    )
    tenant_requests_per_minute: int | None = Field(
        default=None,
        ge=1,
        le=10**9,
        description="Requests that the keys of a tenant without its own limit may send together, to all API processes. "
        "Unset: any number.",
    )
