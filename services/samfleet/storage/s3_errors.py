"""Mapping of botocore's errors to samfleet's, in the order in which the tables are searched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError

from samfleet.errors import SamfleetError
from samfleet.storage.store import (
    BucketNotFound,
    ObjectNotFound,
    StorageForbidden,
    StorageFull,
    StorageKeyInvalid,
    StorageRefused,
    StorageUnavailable,
)

CODES: dict[str, type[SamfleetError]] = {
    "NoSuchKey": ObjectNotFound,
    "NoSuchBucket": BucketNotFound,
    "AccessDenied": StorageForbidden,
    "InvalidAccessKeyId": StorageForbidden,
    "SignatureDoesNotMatch": StorageForbidden,
    "ExpiredToken": StorageForbidden,
    "InvalidToken": StorageForbidden,
    "KeyTooLongError": StorageKeyInvalid,
    "NoSuchUpload": StorageUnavailable,  # a lifecycle rule ended the upload; a retry starts a new one
    "RequestTimeout": StorageUnavailable,
    "RequestTimeTooSkewed": StorageForbidden,
    "SlowDown": StorageUnavailable,
    "Throttling": StorageUnavailable,
    "ThrottlingException": StorageUnavailable,
    "XMinioStorageFull": StorageFull,
}

STATUSES: dict[int, type[SamfleetError]] = {
    401: StorageForbidden,
    403: StorageForbidden,
    404: ObjectNotFound,  # the response to HEAD has no code
    408: StorageUnavailable,
    409: StorageUnavailable,  # a conflicting operation is in progress
    429: StorageUnavailable,
    500: StorageUnavailable,
    502: StorageUnavailable,
    503: StorageUnavailable,
    504: StorageUnavailable,
    507: StorageFull,
}

EXCEPTIONS: dict[type[BotoCoreError], type[SamfleetError]] = {
    boto.HTTPClientError: StorageUnavailable,
    boto.ConnectionError: StorageUnavailable,
    boto.IncompleteReadError: StorageUnavailable,
    boto.ChecksumError: StorageUnavailable,
    boto.FlexibleChecksumError: StorageUnavailable,
    boto.NoCredentialsError: StorageForbidden,
    boto.PartialCredentialsError: StorageForbidden,
    boto.CredentialRetrievalError: StorageForbidden,
    boto.NoAuthTokenError: StorageForbidden,
    boto.TokenRetrievalError: StorageForbidden,
    boto.SSOError: StorageForbidden,
    boto.LoginError: StorageForbidden,
    boto.RefreshWithMFAUnsupportedError: StorageForbidden,
    boto.MetadataRetrievalError: StorageForbidden,
    BotoCoreError: StorageRefused,  # the request was not sent: a wrong region, endpoint, profile or parameter
}


def meaning(error: BotoCoreError | ClientError) -> type[SamfleetError]:
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return CODES.get(error.response.get("Error", {}).get("Code", ""), STATUSES.get(status, StorageRefused))
    return exception_meaning(type(error))


def exception_meaning(kind: type[BotoCoreError]) -> type[SamfleetError]:
    return next(EXCEPTIONS[base] for base in kind.__mro__ if base in EXCEPTIONS)


@contextmanager
def mapped(what: str) -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise meaning(error)(f"{what}: {error}") from error
