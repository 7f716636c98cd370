"""Object stores by storage URL. A store connects at its first operation.

boto3 is imported only for a bucket: it takes 6 % of the start of the API.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import SplitResult, unquote, urlsplit

from samfleet.errors import InvalidInput
from samfleet.no_proxy import is_loopback
from samfleet.storage.file_store import FileStore
from samfleet.storage.store import ObjectStore

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class StorageUrlInvalid(InvalidInput):
    """The storage URL is not valid; use file:///absolute/path or s3://bucket/folder."""

    code = "storage_url_invalid"


@dataclass(frozen=True, slots=True)
class S3Options:
    """Options for boto3; None leaves a value to boto3 (environment, profile, instance role).

    With an endpoint, None means the addressing `path`. `anonymous` requests are not signed.
    """

    endpoint_url: str | None = None
    region: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = None
    profile: str | None = None
    addressing: Literal["auto", "path", "virtual"] | None = None
    anonymous: bool = False
    connections: int = 10  # that are kept open; botocore's default


def open_store(
    url: str,
    *,
    s3_endpoint_url: str | None = None,
    s3_region: str | None = None,
    s3_access_key_id: str | None = None,
    s3_secret_access_key: str | None = None,
) -> ObjectStore:
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        raise StorageUrlInvalid(f"storage URL {url!r} does not start with {' or '.join(f'{s}://' for s in SCHEMES)}")
    options = S3Options(s3_endpoint_url, s3_region, s3_access_key_id, s3_secret_access_key)
    return SCHEMES[parts.scheme](parts, options)


def _open_file(parts: SplitResult, _options: S3Options) -> ObjectStore:
    if parts.netloc not in {"", "localhost"} or not parts.path.startswith("/"):
        raise StorageUrlInvalid(
            f"storage URL {parts.geturl()!r} does not name an absolute path; use file:///absolute/path"
        )
    return FileStore(Path(unquote(parts.path)))


def _open_s3(parts: SplitResult, options: S3Options) -> ObjectStore:
    if not parts.netloc:
        raise StorageUrlInvalid(f"storage URL {parts.geturl()!r} has no bucket; use s3://bucket/folder")
    from samfleet.storage.s3_store import S3Store

    return S3Store(connect_s3(options), parts.netloc, unquote(parts.path))


def connect_s3(options: S3Options) -> S3Client:
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    # Older stores other than Amazon S3 refuse botocore's new checksums, and few have a host name per bucket.
    foreign: Config | None = None
    if options.endpoint_url:
        foreign = Config(
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            proxies={} if is_loopback(options.endpoint_url) else None,  # None: the environment's proxies
        )
    common = Config(
        connect_timeout=5,  # seconds; a reachable store takes far less
        read_timeout=60,  # seconds without a byte
        retries={"mode": "standard", "max_attempts": 3},
        signature_version=UNSIGNED if options.anonymous else "s3v4",
        max_pool_connections=options.connections,
        s3={"addressing_style": options.addressing or ("path" if options.endpoint_url else "auto")},
    )
    return boto3.session.Session(profile_name=options.profile).client(
        "s3",
        endpoint_url=options.endpoint_url,
        region_name=options.region,
        aws_access_key_id=options.access_key_id,
        aws_secret_access_key=options.secret_access_key,
        config=common.merge(foreign) if foreign else common,
    )


SCHEMES: dict[str, Callable[[SplitResult, S3Options], ObjectStore]] = {"file": _open_file, "s3": _open_s3}
