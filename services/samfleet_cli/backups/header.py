"""The first member of a backup, which says what it is and whether this release can restore it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Self

from samfleet.db.migrate import require_known_schema
from samfleet_cli.backups.archive import Member
from samfleet_cli.backups.errors import BackupTooNew, NotABackup

NAME = "backup.json"
FORMAT = 1
_MOST_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class BackupHeader:
    """`schema` is the head of the database's migrations; `created_at` is in ISO 8601.

    `objects` counts the objects that the rows of the backup name.
    """

    format: int
    samfleet: str
    schema: str
    created_at: str
    objects: int

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self), indent=2).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Raises `NotABackup`, and `BackupTooNew` for a format of a later release."""
        try:
            content = json.loads(data)
            format_ = int(content["format"])
            if format_ > FORMAT:
                raise BackupTooNew(
                    f"the backup has format {format_}, and this release reads up to {FORMAT}; restore it with samfleet "
                    f"{content.get('samfleet')}, which wrote it"
                )
            values = {"samfleet": str, "schema": str, "created_at": str, "objects": int}
            return cls(format=format_, **{name: kind(content[name]) for name, kind in values.items()})
        except (ValueError, KeyError, TypeError) as error:
            raise NotABackup(f"{NAME} of the file is not that of a backup: {error!r}") from error


def read_header(members: Iterator[Member]) -> BackupHeader:
    """Read the first member. Raises `NotABackup`, and `BackupTooNew` or `SchemaUnknown` for a later release."""
    first = next(members, None)
    if first is None or first.name != NAME or first.size > _MOST_BYTES:
        raise NotABackup(f"the file is not a backup: it does not begin with {NAME}")
    header = BackupHeader.from_bytes(first.stream.read(first.size))
    require_known_schema(header.schema)
    return header
