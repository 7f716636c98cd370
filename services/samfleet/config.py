"""Settings, read from `SAMFLEET_*` variables. Only composition roots read them; library functions receive values.

The defaults fit the services of `docker-compose.yml`; `samfleet up` overrides them with its embedded servers.
"""

from __future__ import annotations

import os
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from samfleet.database_settings import DatabaseSettings
from samfleet.input_settings import InputSettings
from samfleet.licences import LicenceUnknown, parse_accepted
from samfleet.pool_settings import PoolSettings
from samfleet.predict_settings import PredictSettings
from samfleet.quota_settings import QuotaSettings
from samfleet.secret_files import SecretFiles
from samfleet.setting_values import drop_service_link, parse_pools, parse_seconds
from samfleet.shard_settings import ShardSettings
from samfleet.site_names import check_site_name
from samfleet.source_settings import SourceSettings
from samfleet.webhook_settings import WebhookSettings

MIN_KEY_LENGTH = 24


class Settings(
    DatabaseSettings,
    InputSettings,
    PoolSettings,
    PredictSettings,
    QuotaSettings,
    SecretFiles,
    ShardSettings,
    SourceSettings,
    WebhookSettings,
):
    """All settings of all processes; `docs/settings.md` lists them with their reasons."""

    # An empty variable counts as unset: compose files pass every setting on, set or not.
    model_config = SettingsConfigDict(env_prefix="SAMFLEET_", env_ignore_empty=True, extra="ignore", frozen=True)

    broker_url: str = Field(default="redis://redis:6379/0", description="Redis 6 or newer, or Valkey.")
    storage_url: str = Field(
        default="s3://samfleet/results",
        description="Object store of uploads and parts: `file:///folder` or `s3://bucket/prefix`.",
    )
    s3_endpoint_url: str | None = Field(
        default=None, description="Address of an S3-compatible store that is not Amazon's."
    )
    pools: Annotated[dict[str, tuple[str, ...]], NoDecode] = Field(
        default={"default": ("triton:8001",)},
        description="Triton gRPC servers by pool: `name=host:port,host:port;other=host:port`, or the same as JSON.",
    )
    pool: str = Field(default="default", description="The pool that this worker serves.")
    triton_secret: str | None = Field(
        default=None,
        description="Shared by Triton and its workers: mutual TLS with it, 24 or more characters. Unset: no TLS.",
    )
    weights_dir: Path = Field(default=Path("/var/lib/samfleet/weights"), description="Folder of checkpoint files.")
    variants_dir: Path | None = Field(
        default=None, description="Folder of YAML files, one for each variant that you add. Unset: none."
    )
    accept_licenses: Annotated[frozenset[str], NoDecode] = Field(
        default=frozenset(),
        description="Licences of weights and terms of datasets that you accept, separated by commas: `AGPL-3.0`.",
    )
    dataset_roots: Annotated[tuple[Path, ...], NoDecode] = Field(
        default=(),
        description="Folders whose images may become datasets, separated like PATH. Empty: uploads only.",
    )
    bootstrap_api_key: str | None = Field(
        default=None,
        description="The admin key that the migration step registers for the tenant `default`, replacing the previous "
        "one; 24 or more characters.",
    )
    overlay_pixels: int = Field(
        default=100_000_000,
        ge=1,
        description="Pixels that an API process decodes at a time for pictures, 5 bytes each.",
    )
    image_bytes_in_flight: int = Field(
        default=256 * 2**20,
        ge=1,
        description="Bytes of image files that a worker holds at a time; they take 5 times the memory.",
    )
    max_body_bytes: int = Field(
        default=2**20,
        ge=2**10,
        description="Largest body of any other request; a job with a thousand variants has 20 kB.",
    )
    requests_per_minute: int = Field(
        default=3000,
        ge=1,
        le=10**9,
        description="Requests that one key may send to one API process; a process on one core serves about 4000.",
    )
    wrong_keys_per_minute: int = Field(
        default=10, ge=1, description="Wrong keys of one address that get a reply; valid keys always get one."
    )
    event_streams: int = Field(
        default=200, ge=1, description="Streams of job events that one API process sends at a time."
    )
    event_streams_per_key: int = Field(
        default=20, ge=1, description="Maximum of these streams for one key: a few browsers with a few tabs each."
    )
    long_requests: int = Field(
        default=8,
        ge=1,
        description="Threads of an API process for requests that may take long (datasets, pictures, exports); "
        "one key gets at most half.",
    )
    long_request_wait: timedelta = Field(
        default=timedelta(seconds=10), description="Longest wait of such a request for a thread; then it is refused."
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Addresses or networks of proxies whose `X-Forwarded-*` headers are trusted, separated by commas.",
    )
    worker_concurrency: int = Field(default=4, ge=1, description="Tasks that one worker process runs at a time.")
    lease: timedelta = Field(
        default=timedelta(seconds=20),
        description="Time without a heartbeat after which a shard is taken from a worker.",
    )
    sweep_interval: timedelta = Field(default=timedelta(seconds=5), description="Time between sweeps for lost work.")
    clean_interval: timedelta = Field(
        default=timedelta(seconds=5),
        description="Time between two removals of deleted jobs and datasets from the store and the database.",
    )
    orphan_interval: timedelta = Field(
        default=timedelta(hours=1),
        description="Time between two walks over the store for objects that nothing refers to.",
    )
    unsealed_retention: timedelta = Field(
        default=timedelta(days=7),
        description="An open dataset that did not change for this long is deleted with its uploads.",
    )
    keep_days: int | None = Field(
        default=None,
        ge=1,
        le=36_500,
        description="Days after its end for which a job without `keep_days` is kept. Unset: forever.",
    )
    triton_timeout: timedelta = Field(
        default=timedelta(minutes=30), description="Longest wait for one image, Triton's queue included."
    )
    variant_turn: timedelta = Field(
        default=timedelta(seconds=60),
        description="Time that one variant runs while another waits, if they do not fit into memory together.",
    )
    max_shard_attempts: int = Field(
        default=25,
        ge=1,
        description="Failures caused by a shard itself, retried with back-off up to 30 s, before its run fails.",
    )
    site: str | None = Field(
        default=None, description="Name of this site for others, such as `h200-lab`. Unset: nothing can be exported."
    )
    site_key_file: Path = Field(
        default=Path("/var/lib/samfleet/site/key.pem"),
        description="The private key that signs exports; created with mode 0600 at the first export.",
    )
    max_site_file_bytes: int = Field(
        default=2 * 2**30, ge=1, description="Largest file of another site's measurements, unpacked."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(default="INFO", description="Lowest level logged.")
    metrics_port: int | None = Field(
        default=None, ge=0, le=65535, description="Port of a worker's `/metrics`; 0 takes a free one. Unset: none."
    )
    metrics_host: str = Field(default="127.0.0.1", description="Address on which a worker's `/metrics` listens.")
    heartbeat_file: Path | None = Field(
        default=None,
        description="A file that a worker touches every 5 s while it takes tasks, for health checks. Unset: none.",
    )
    otlp_endpoint: str | None = Field(
        default=None,
        description="OpenTelemetry collector for traces, such as `http://collector:4318`. Unset: no traces.",
    )
    log_format: Literal["json", "console"] = Field(
        default="json", description="One JSON object a line, or coloured text."
    )

    @field_validator("pools", mode="before")
    @classmethod
    def _parse_pools(cls, value: Any) -> Any:
        return parse_pools(value) if isinstance(value, str) else value

    @field_validator(
        "lease",
        "sweep_interval",
        "clean_interval",
        "orphan_interval",
        "unsealed_retention",
        "triton_timeout",
        "variant_turn",
        "long_request_wait",
        mode="before",
    )
    @classmethod
    def _parse_seconds(cls, value: Any) -> Any:
        return parse_seconds(value)

    @field_validator("metrics_port", mode="before")
    @classmethod
    def _ignore_service_link(cls, value: Any) -> Any:
        return drop_service_link(value)

    @field_validator("site")
    @classmethod
    def _check_site(cls, value: str | None) -> str | None:
        return check_site_name(value) if value else None

    @field_validator("accept_licenses", mode="before")
    @classmethod
    def _parse_licences(cls, value: Any) -> Any:
        try:
            return parse_accepted(value) if isinstance(value, str) else value
        except LicenceUnknown as error:
            raise ValueError(error.message) from error

    @field_validator("dataset_roots", mode="before")
    @classmethod
    def _parse_roots(cls, value: Any) -> Any:
        return tuple(Path(part) for part in value.split(os.pathsep) if part) if isinstance(value, str) else value

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _parse_proxies(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("trusted_proxies")
    @classmethod
    def _check_proxies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in value:
            ip_network(proxy)  # raises ValueError
        return value

    @field_validator("bootstrap_api_key", "triton_secret")
    @classmethod
    def _check_key(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and len(value) < MIN_KEY_LENGTH:
            raise ValueError(f"{info.field_name} is too short to be a secret; use {MIN_KEY_LENGTH} or more characters")
        return value
