"""Settings of webhooks, a part of `samfleet.config.Settings`."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_network
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator
from pydantic_settings import BaseSettings, NoDecode

from samfleet.setting_values import parse_seconds

Duration = Annotated[timedelta, BeforeValidator(parse_seconds)]


class WebhookSettings(BaseSettings):
    webhook_private_addresses: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Addresses or networks that webhooks may reach besides public addresses, separated by commas; with "
        "one, `http://` is accepted too.",
    )
    webhook_interval: Duration = Field(
        default=timedelta(seconds=2), description="Time between two passes for messages of webhooks that are due."
    )
    webhook_timeout: Duration = Field(
        default=timedelta(seconds=15),
        description="Longest attempt to deliver a message, from resolving the name to the reply.",
    )
    webhook_retry_for: Duration = Field(
        default=timedelta(days=1), description="Time for which a message is tried again before it counts as failed."
    )
    webhook_disable_after: Duration = Field(
        default=timedelta(days=5), description="Time without a success after which a failing webhook is disabled."
    )
    webhook_retention: Duration = Field(
        default=timedelta(days=30), description="Time for which messages and the log of their deliveries are kept."
    )

    @field_validator("webhook_private_addresses", mode="before")
    @classmethod
    def _parse_addresses(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("webhook_private_addresses")
    @classmethod
    def _check_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            ip_network(network)  # raises ValueError
        return value
