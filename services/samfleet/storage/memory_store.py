"""Object store in this process's memory, for tests and experiments."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from samfleet.storage.keys import check_folder, check_key, check_prefix
from samfleet.storage.store import ObjectInfo, ObjectNotFound, StorageFull


@dataclass(slots=True)
class MemoryStore:
    """Object store in memory; with `capacity_bytes` it fails like a full disk."""

    capacity_bytes: int | None = None
    _objects: dict[str, tuple[bytes, datetime]] = field(default_factory=dict)

    def put(self, key: str, data: bytes) -> None:
        check_key(key)
        held = sum(len(kept) for name, (kept, _) in self._objects.items() if name != key)
        if self.capacity_bytes is not None and held + len(data) > self.capacity_bytes:
            raise StorageFull(f"{key!r}: the capacity of the memory store is {self.capacity_bytes} bytes; free some")
        self._objects[key] = (bytes(data), datetime.now(UTC))

    def put_file(self, key: str, path: Path) -> None:
        self.put(key, path.read_bytes())

    def put_stream(self, key: str, chunks: Iterable[bytes]) -> int:
        check_key(key)
        data = b"".join(chunks)
        self.put(key, data)
        return len(data)

    def get(self, key: str) -> bytes:
        try:
            return self._objects[check_key(key)][0]
        except KeyError:
            raise ObjectNotFound(f"object {key!r} does not exist in memory") from None

    def open(self, key: str, *, start: int = 0) -> BinaryIO:
        return io.BytesIO(self.get(key)[start:])

    def size(self, key: str) -> int:
        return len(self.get(key))

    def exists(self, key: str) -> bool:
        return check_key(key) in self._objects

    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        check_prefix(prefix)
        for key, (data, modified) in sorted(self._objects.items()):
            if key.startswith(prefix) and key > after:
                yield ObjectInfo(key, len(data), modified)

    def delete(self, key: str) -> None:
        self._objects.pop(check_key(key), None)

    def delete_prefix(self, prefix: str) -> None:
        check_folder(prefix)
        for key in tuple(self._objects):
            if key.startswith(prefix):
                self.delete(key)

    def presigned_url(self, key: str, expires: timedelta) -> str | None:  # noqa: ARG002 - memory has no address
        check_key(key)
        return None

    def discard_unfinished(self, older_than: timedelta) -> int:  # noqa: ARG002 - a write here is one assignment
        return 0
