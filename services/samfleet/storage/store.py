"""Interface of object stores: whole objects under '/'-separated keys, written atomically.

A reader sees the whole object or none; a failed or killed writer leaves no object. Threads may share a store.
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
    """The object does not exist."""

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
    """The object store has no space left; free some and repeat the write."""

    code = "storage_full"
    status_code = 507


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    key: str
    size: int  # bytes
    modified: datetime  # with time zone


class ObjectStore(Protocol):
    """An object store. Keys are relative paths checked by `samfleet.storage.keys.check_key`.

    Stores are interchangeable only if no key is a folder of another: with an object `a`, there can be no `a/b`.
    """

    def put(self, key: str, data: bytes) -> None: ...

    def put_file(self, key: str, path: Path) -> None: ...

    def put_stream(self, key: str, chunks: Iterable[bytes]) -> int:
        """Write the chunks as one object and return its size in bytes; an error in `chunks` leaves no object."""
        ...

    def get(self, key: str) -> bytes: ...

    def open(self, key: str, *, start: int = 0) -> BinaryIO:
        """Open the object as a stream, which the caller closes.

        The stream begins at the byte `start`, which is less than the size of the object, or 0.
        """
        ...

    def size(self, key: str) -> int: ...

    def exists(self, key: str) -> bool: ...

    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        """Yield the objects with keys that start with `prefix` ("" lists all), in the order of the keys' UTF-8 bytes.

        With `after`, only objects with later keys.
        """
        ...

    def delete(self, key: str) -> None:
        """Remove the object; do nothing if it does not exist."""
        ...

    def delete_prefix(self, prefix: str) -> None:
        """Remove all objects below a folder. `prefix` ends with '/', so that `jobs/1/` does not match `jobs/10/`."""
        ...

    def presigned_url(self, key: str, expires: timedelta) -> str | None:
        """Return a URL from which anyone can read the object until it expires; None if the store has no URLs."""
        ...

    def discard_unfinished(self, older_than: timedelta) -> int:
        """Remove unfinished writes of killed writers, which are never visible as objects; return their number.

        A write counts as unfinished if nothing was added to it for the time of `older_than`.
        """
        ...
