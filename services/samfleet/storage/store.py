"""What samfleet asks of an object store: whole objects under '/'-separated keys, written atomically.

The object is the unit: a reader sees all of it or none, a failed or killed writer leaves no object. Stores are safe
to share between threads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Protocol

from samfleet.errors import Forbidden, InvalidInput, NotFound, SamfleetError, Unavailable


class StorageKeyInvalid(InvalidInput):
    """The object key is not valid."""

    code = "storage_key_invalid"


class ObjectNotFound(NotFound):
    """There is no object of this key."""

    code = "object_not_found"


class BucketNotFound(NotFound):
    """The bucket of the object store does not exist; create it or correct the storage URL."""

    code = "bucket_not_found"


class StorageForbidden(Forbidden):
    """The object store refuses access; check its credentials and permissions."""

    code = "storage_forbidden"


class StorageRefused(SamfleetError):
    """The object store refuses the request; check the storage settings."""

    code = "storage_refused"


class StorageUnavailable(Unavailable):
    """The object store does not answer; try again shortly."""

    code = "storage_unavailable"


class StorageFull(Unavailable):
    """The object store has no space left; free some, the write can then be repeated."""

    code = "storage_full"
    status_code = 507


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    key: str
    size: int  # bytes
    modified: datetime  # with time zone


class ObjectStore(Protocol):
    """Keys are relative paths checked by `samfleet.storage.keys.check_key`.

    For stores to be interchangeable no key may be a folder of another one: with `a` written, `a/b` cannot be.
    """

    def put(self, key: str, data: bytes) -> None: ...

    def put_file(self, key: str, path: Path) -> None: ...

    def put_stream(self, key: str, chunks: Iterable[bytes]) -> int:
        """Writes the chunks as one object and returns its size in bytes; an error in `chunks` leaves no object."""
        ...

    def get(self, key: str) -> bytes: ...

    def open(self, key: str) -> BinaryIO:
        """The object as a stream, for the caller to close."""
        ...

    def size(self, key: str) -> int: ...

    def exists(self, key: str) -> bool: ...

    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        """Objects whose keys start with `prefix` ("" lists all), in the order of the keys' UTF-8 bytes; with `after`
        only those whose keys follow it.
        """
        ...

    def delete(self, key: str) -> None:
        """Removes the object; one that does not exist is no error."""
        ...

    def delete_prefix(self, prefix: str) -> None:
        """Removes all objects below a folder; `prefix` ends with '/', so that `jobs/1/` cannot reach `jobs/10/`."""
        ...

    def presigned_url(self, key: str, expires: timedelta) -> str | None:
        """An address from which anyone can read the object until it expires; None where the store has none."""
        ...

    def discard_unfinished(self, older_than: timedelta) -> int:
        """Removes what killed writers left behind (it is never visible as an object) and returns how many."""
        ...
