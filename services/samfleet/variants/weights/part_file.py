"""The bytes of an unfinished download and, in a file next to them, their origin."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Origin:
    """The source of an unfinished download.

    `validator` is a strong ETag or a Last-Modified date, for If-Range; None if the server sends neither.
    """

    url: str
    validator: str | None
    total_bytes: int | None


@dataclass(frozen=True, slots=True)
class PartFile:
    """An unfinished download, named by its URL so that the bytes of two sources never mix."""

    path: Path
    url: str

    @classmethod
    def beside(cls, target: Path, url: str) -> PartFile:
        mark = hashlib.sha256(url.encode()).hexdigest()[:8]
        return cls(target.with_name(f".{target.name}.{mark}.part"), url)

    @property
    def _origin_path(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def origin(self) -> Origin | None:
        """Return the origin; None if there is nothing to resume or the origin is unknown."""
        if not self.size:
            return None
        try:
            origin = Origin(**json.loads(self._origin_path.read_text()))
        except (FileNotFoundError, ValueError, TypeError):  # TypeError: fields of another version
            return None
        return origin if origin.url == self.url else None

    def begin(self, origin: Origin) -> None:
        self.discard()
        self._origin_path.write_text(json.dumps(asdict(origin)))

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self._origin_path.unlink(missing_ok=True)
