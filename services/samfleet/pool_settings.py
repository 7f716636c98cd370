"""Settings of how workers follow their pool, a part of `samfleet.config.Settings`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings

from samfleet.setting_values import parse_seconds


class PoolSettings(BaseSettings):
    resolve_interval: Annotated[timedelta, BeforeValidator(parse_seconds)] = Field(
        default=timedelta(seconds=5),
        ge=timedelta(milliseconds=50),
        description="Time between two looks of a worker at the names of its pool's servers, and at servers that do "
        "not answer.",
    )
    spot_notice: Literal["aws", "gcp", "azure"] | None = Field(
        default=None,
        description="The cloud whose notice that it takes this machine back a worker obeys. Unset: none.",
    )
    loaded_variants: int | None = Field(
        default=None,
        ge=1,
        description="Maximum variants that a Triton server keeps loaded. Unset: as many as fit in its memory.",
    )
