"""Settings of shards, a part of `samfleet.config.Settings`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings

from samfleet.setting_values import parse_seconds


class ShardSettings(BaseSettings):
    shard_size: int = Field(
        default=384, ge=1, le=1000, description="Maximum images in a shard: the work that a lost worker repeats."
    )
    shard_time: Annotated[timedelta, BeforeValidator(parse_seconds)] = Field(
        default=timedelta(seconds=5),
        description="Time that a shard is to take, by the speed of the variant's last run of the same task in the "
        "pool. Without one, a shard has 32 images at most.",
    )
    shards_in_flight: int = Field(
        default=4, ge=1, description="Shards of one run queued or leased at a time; the rest waits in PostgreSQL."
    )
    images_in_flight: int = Field(
        default=16,
        ge=1,
        description="Maximum requests of one shard at Triton at a time; fewer are sent while they wait long in its "
        "queue. Twice the batch keeps it fed.",
    )
    max_batch_size: int | None = Field(
        default=None,
        ge=1,
        description="Maximum images in one request to Triton and, in the embedded and the CPU's server, in a batch. "
        "Unset: as many as the variant takes.",
    )
