from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from samfleet.errors import SamfleetError
from samfleet.storage.factory import open_store
from samfleet.storage.s3_errors import exception_meaning, mapped, meaning
from samfleet.storage.store import (
    BucketNotFound,
    ObjectNotFound,
    StorageForbidden,
    StorageFull,
    StorageRefused,
    StorageUnavailable,
)

TRANSPORT = ("Connection", "Timeout", "Incomplete", "Stream", "SSL", "Checksum", "HTTPClient")
IDENTITY = ("Credential", "Token", "SSO", "Login", "MFA")
# Names that look like those above, but mean a mistake in the configuration or in this program.
NEITHER = {
    "InvalidChecksumConfigError",
    "UnknownCredentialError",
    "UnknownTokenProviderError",
    "UnseekableStreamError",
}


def subclasses(kind: type[BotoCoreError]) -> Iterator[type[BotoCoreError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from subclasses(child)


def expected(name: str) -> type[SamfleetError]:
    if name not in NEITHER and any(word in name for word in TRANSPORT):
        return StorageUnavailable
    if name not in NEITHER and any(word in name for word in IDENTITY):
        return StorageForbidden
    return StorageForbidden if name == "MetadataRetrievalError" else StorageRefused


def test_every_botocore_error_is_mapped() -> None:
    kinds = [kind for kind in subclasses(BotoCoreError) if kind.__module__ == "botocore.exceptions"]
    assert len(kinds) > 80
    got = {kind.__name__: exception_meaning(kind) for kind in kinds}
    assert got == {kind.__name__: expected(kind.__name__) for kind in kinds}


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("NoSuchKey", 404, ObjectNotFound),
        ("404", 404, ObjectNotFound),
        ("NoSuchBucket", 404, BucketNotFound),
        ("AccessDenied", 403, StorageForbidden),
        ("403", 403, StorageForbidden),
        ("SlowDown", 503, StorageUnavailable),
        ("RequestTimeout", 400, StorageUnavailable),
        ("InternalError", 500, StorageUnavailable),
        ("BadGateway", 502, StorageUnavailable),
        ("TooManyRequests", 429, StorageUnavailable),
        ("XMinioStorageFull", 507, StorageFull),
        ("EntityTooLarge", 400, StorageRefused),
        ("PermanentRedirect", 301, StorageRefused),
    ],
)
def test_every_response_is_mapped(code: str, status: int, kind: type[SamfleetError]) -> None:
    error = ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "GetObject")  # type: ignore[typeddict-item] # botocore fills only some fields
    assert meaning(error) is kind
    with pytest.raises(kind, match="s3://bucket/key") as raised, mapped("s3://bucket/key"):
        raise error
    assert raised.value.__cause__ is error


def test_an_unreachable_store_is_unavailable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        store = open_store(
            "s3://bucket",
            s3_endpoint_url=f"http://127.0.0.1:{taken.getsockname()[1]}",
            s3_region="us-east-1",
            s3_access_key_id="test",
            s3_secret_access_key="test",
        )
        with pytest.raises(StorageUnavailable, match="s3://bucket/key"):
            store.get("key")
