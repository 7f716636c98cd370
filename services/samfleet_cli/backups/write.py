"""Writing of a backup: a snapshot of the database first, then the objects that its rows name.

Objects are written before the rows that name them, so all of them exist when the snapshot is taken. Nothing deletes
objects meanwhile (`samfleet.db.object_hold`); one that is missing nevertheless fails the backup.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from samfleet.db.migrate import current_schema
from samfleet.db.object_hold import hold_objects
from samfleet.db.session import allow_idle, read_only
from samfleet.errors import describe
from samfleet.files import sync_folder
from samfleet.jobs.named_objects import named_objects
from samfleet.storage.store import ObjectNotFound, ObjectStore
from samfleet_cli.backups import members
from samfleet_cli.backups.archive import ArchiveWriter
from samfleet_cli.backups.errors import BackupExists, BackupObjectsMissing, DatabaseAway, NothingToBackUp
from samfleet_cli.backups.header import FORMAT, NAME, BackupHeader
from samfleet_cli.backups.postgres_tools import dump_database
from samfleet_cli.backups.source import Source, open_source

_MODE = 0o600
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class BackupOptions:
    """`secrets` are the stack's API key and the key that signs its measurements."""

    weights: bool = False
    secrets: bool = True
    allow_missing: bool = False


@dataclass(frozen=True, slots=True)
class BackupReport:
    """Contents of a new backup. Sizes are in bytes; `missing` objects were named by rows and not in the store."""

    file: str
    file_bytes: int
    database_bytes: int
    objects: int
    object_bytes: int
    missing: int


@dataclass(frozen=True, slots=True)
class _Snapshot:
    schema: str
    dump: Path
    keys: Path  # a key per line, which no key contains
    objects: int


def back_up(state_dir: Path, file: Path, options: BackupOptions) -> BackupReport:
    """Write a backup of a running or stopped stack. The file is complete or does not exist.

    Raises the errors of `samfleet_cli.backups.errors`, `OSError` and those of the object store.
    """
    _require_absent(file)
    try:
        with (
            open_source(state_dir) as source,
            _whole_file(file) as (folder, output),
            hold_objects(source.engine),
        ):
            return _write(source, _take_snapshot(source, folder), output, file, options)
    except DBAPIError as error:
        raise DatabaseAway(f"the database did not respond during the backup: {describe(error)}; repeat it") from error


def _require_absent(file: Path) -> None:
    if file.exists():
        raise BackupExists(f"{file} exists; choose another name, or remove it")


def _take_snapshot(source: Source, folder: Path) -> _Snapshot:
    """Dump the database and list the objects that it names, both from one snapshot."""
    dump, keys, count = folder / "database.dump", folder / "keys", 0
    with read_only(source.engine) as session:
        allow_idle(session)
        schema = current_schema(session.connection())
        if schema is None:
            raise NothingToBackUp(f"the database of {source.layout.root} is empty; `samfleet up` fills it")
        dump_database(source.database_url, session.scalar(select(func.pg_export_snapshot())) or "", dump)
        with keys.open("w", encoding="utf-8") as listed:
            for named in named_objects(session):
                listed.write(f"{named.key}\n")
                count += 1
    return _Snapshot(schema, dump, keys, count)


@contextmanager
def _whole_file(file: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """Yield a temporary folder beside `file`, and a file in it that becomes `file` at the end of the block.

    It is synced to disk before, and only its owner can read it. A failure leaves neither.
    """
    parent = file.absolute().parent
    with tempfile.TemporaryDirectory(prefix=".samfleet-backup-", dir=parent) as folder:
        partial = Path(folder, "partial")
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE), "wb") as output:
            yield Path(folder), output
            output.flush()
            os.fsync(output.fileno())
        _require_absent(file)
        partial.rename(file)
    sync_folder(parent)


def _write(source: Source, snapshot: _Snapshot, output: BinaryIO, file: Path, options: BackupOptions) -> BackupReport:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    header = BackupHeader(FORMAT, version("samfleet"), snapshot.schema, now, snapshot.objects)
    archive = ArchiveWriter(output, snapshot.dump.parent)
    try:
        archive.add_bytes(NAME, header.to_bytes())
        _add_file(archive, members.DUMP, snapshot.dump)
        size, missing = _add_objects(archive, source.store, snapshot, options)
        for name, path in members.kept_files(source.layout, weights=options.weights, secrets=options.secrets):
            _add_file(archive, name, path)
        archive.finish()
    finally:
        archive.close()
    database_bytes = snapshot.dump.stat().st_size
    return BackupReport(str(file), output.tell(), database_bytes, snapshot.objects - missing, size, missing)


def _add_objects(
    archive: ArchiveWriter, store: ObjectStore, snapshot: _Snapshot, options: BackupOptions
) -> tuple[int, int]:
    """Add the objects; return their bytes and the number of those that are missing."""
    total, missing = 0, list[str]()
    with snapshot.keys.open(encoding="utf-8") as keys:
        for key in (line.removesuffix("\n") for line in keys):
            try:
                size = store.size(key)
                with store.open(key) as stream:
                    archive.add(members.OBJECTS + key, size, stream)
            except ObjectNotFound:
                missing.append(key)
            else:
                total += size
    if missing and not options.allow_missing:
        raise BackupObjectsMissing(
            f"the object store lacks {len(missing)} of {snapshot.objects} objects that rows name, such as "
            f"{', '.join(missing[:_MOST_NAMED])}; `python -m samfleet.jobs.check_objects` names all with their owners, "
            "and --allow-missing makes a backup without them"
        )
    return total, len(missing)


def _add_file(archive: ArchiveWriter, name: str, path: Path) -> None:
    with path.open("rb") as stream:
        archive.add(name, path.stat().st_size, stream)
