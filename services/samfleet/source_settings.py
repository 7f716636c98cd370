"""Settings of the buckets and hosts that datasets may be made of, a part of `samfleet.config.Settings`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from ipaddress import ip_network
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator
from pydantic_settings import BaseSettings, NoDecode

from samfleet.setting_values import parse_seconds

Duration = Annotated[timedelta, BeforeValidator(parse_seconds)]

_PROFILE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_HOST = re.compile(r"(\*|(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")


class S3Profile(BaseModel):
    """Buckets of one S3 endpoint that datasets may be made of, and how to reach them.

    `buckets` are written `bucket` or `bucket/folder`. Without `endpoint`, they are Amazon's. `aws_profile` is a profile
    of the AWS configuration files; without one, boto3's usual chain finds the credentials (environment, files, role).
    `anonymous` requests are not signed. By default, the addressing is `path` with an endpoint and boto3's without.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    buckets: tuple[str, ...] = Field(min_length=1)
    endpoint: str | None = None
    region: str | None = None
    aws_profile: str | None = None
    addressing: Literal["auto", "path", "virtual"] | None = None
    anonymous: bool = False

    @field_validator("buckets")
    @classmethod
    def _check_buckets(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for place in value:
            if not _BUCKET.fullmatch(place.partition("/")[0]):
                raise ValueError(f"{place!r} is not written bucket or bucket/folder")
        return tuple(place.rstrip("/") for place in value)

    @field_validator("endpoint")
    @classmethod
    def _check_endpoint(cls, value: str | None) -> str | None:
        if value is not None and (urlsplit(value).scheme not in {"http", "https"} or not urlsplit(value).hostname):
            raise ValueError(f"{value!r} is not an address such as https://minio.example:9000")
        return value

    def allows(self, bucket: str, prefix: str) -> bool:
        """Return True if all keys of the bucket that start with the prefix may be read."""
        for place in self.buckets:
            name, _, folder = place.partition("/")
            if name == bucket and (not folder or prefix.startswith(f"{folder}/")):
                return True
        return False


class SourceSettings(BaseSettings):
    s3_sources: Mapping[str, S3Profile] = Field(
        default={},
        description='Buckets whose images may become datasets, by profile, as JSON: `{"default": {"buckets": '
        '["photos", "lake/cameras"]}}` ([all fields](api.md#images-in-a-bucket)). Unset: none.',
    )

    url_sources: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Hosts whose images manifests may name by http(s) address, separated by commas: "
        "`images.example.com,*.cdn.example:8443`, or `*` for any ([rules](api.md#images-at-urls)). Unset: none.",
    )
    url_private_addresses: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Addresses or networks that these hosts may have besides public addresses, separated by commas.",
    )
    url_timeout: Duration = Field(
        default=timedelta(seconds=60), description="Longest request for an image at a URL, with its redirects."
    )
    url_retry_for: Duration = Field(
        default=timedelta(minutes=5),
        description="Time for which shards wait for a URL that does not answer before the image fails.",
    )

    max_archive_bytes: int = Field(
        default=64 * 2**30,
        ge=1,
        description="Largest archive of images; one in a bucket or an upload may take as much temporary disk.",
    )

    max_frames: int = Field(
        default=10_000,
        ge=1,
        le=1_000_000,
        description="Maximum frames or pages of one file; of a video, of those that are chosen.",
    )
    max_frames_file_bytes: int = Field(
        default=2 * 2**30,
        ge=1,
        description="Largest file of which [frames](images.md#frames) are taken. A process may keep four of them from "
        "buckets or uploads on temporary disk.",
    )

    @field_validator("url_sources", "url_private_addresses", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("url_sources")
    @classmethod
    def _check_hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for place in value:
            if not _HOST.fullmatch(place) or urlsplit(f"//{place}").port == 0:  # a port above 65535 raises
                raise ValueError(f"{place!r} is not written host, *.domain, host:port or *")
        return tuple(place.lower() for place in value)

    @field_validator("url_private_addresses")
    @classmethod
    def _check_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            ip_network(network)  # raises ValueError
        return value

    @field_validator("s3_sources")
    @classmethod
    def _check_names(cls, value: Mapping[str, S3Profile]) -> Mapping[str, S3Profile]:
        for name in value:
            if not _PROFILE_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a profile: lower-case letters, digits, - and _")
        return value
