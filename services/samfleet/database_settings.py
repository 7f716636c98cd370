"""Settings of the connection to PostgreSQL, a part of `samfleet.config.Settings`."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings

from samfleet.pooling import Pooling


class DatabaseSettings(BaseSettings):
    database_url: str = Field(
        default="postgresql+psycopg://samfleet:samfleet@postgres:5432/samfleet",
        description="PostgreSQL 14 or newer, as an SQLAlchemy address with the psycopg driver.",
    )
    database_pooling: Pooling = Field(
        default=Pooling.SESSION,
        description="`transaction` if the address is that of a pooler which gives each transaction another session: "
        "PgBouncer with `pool_mode = transaction`.",
    )
