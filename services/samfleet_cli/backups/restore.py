"""Restoring of a backup into a new state directory, all or nothing.

Everything is made in a folder beside the state directory, which gets its name at the end.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import text

from samfleet.db.migrate import upgrade
from samfleet.db.session import connect
from samfleet.files import sync_folder
from samfleet_cli.backups import members
from samfleet_cli.backups.archive import CHUNK_BYTES, Member, read_archive, require_frame
from samfleet_cli.backups.errors import BackupDamaged, TargetInUse
from samfleet_cli.backups.header import BackupHeader, read_header
from samfleet_cli.backups.postgres_tools import load_database, serving
from samfleet_cli.local_stack import lock
from samfleet_cli.local_stack.layout import StateDir
from samfleet_cli.local_stack.leftovers import clear_leftovers

_SUFFIX = ".restoring"
_MODE = 0o600


@dataclass(frozen=True, slots=True)
class Contents:
    """Contents of a whole backup. Sizes are in bytes."""

    header: BackupHeader
    database_bytes: int
    objects: int
    object_bytes: int
    weights: int
    secrets: int


def verify(file: Path) -> Contents:
    """Read a backup and compare every SHA-256. Raises `NotABackup`, `BackupTooNew` or `BackupDamaged`."""
    with file.open("rb") as source:
        return _read(source, None)


def restore(file: Path, state_dir: Path) -> Contents:
    """Make a state directory from a backup, with the schema of this release. Nothing is left of a failure.

    Raises `TargetInUse`, the errors of `verify`, `SchemaUnknown`, and those of PostgreSQL's programs.
    """
    target = state_dir.resolve()
    _require_empty(target)
    with file.open("rb") as source, _staging(target) as layout:
        contents = _read(source, layout)
        _load(layout)
        _require_empty(target)
        _settle(layout, target)
    return contents


def _require_empty(target: Path) -> None:
    if target.is_mount():
        raise TargetInUse(f"{target} is a mount point; name a new folder below it in SAMFLEET_STATE_DIR")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise TargetInUse(f"{target} is not an empty folder; name a new one in SAMFLEET_STATE_DIR")


@contextmanager
def _staging(target: Path) -> Iterator[StateDir]:
    """Yield an empty layout beside the target; remove it at the end, and what a killed restore has left there."""
    layout = StateDir(target.with_name(target.name + _SUFFIX))
    layout.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lock.exclude(layout.lock_file):
        clear_leftovers(layout)
        for path in layout.root.iterdir():
            if path != layout.lock_file:
                _remove(path)
        try:
            layout.create()
            yield layout
        finally:
            clear_leftovers(layout)
            shutil.rmtree(layout.root, ignore_errors=True)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _read(source: BinaryIO, layout: StateDir | None) -> Contents:
    """Read all members, and write them into the layout if there is one."""
    require_frame(source)
    found = read_archive(source)
    header = read_header(found)
    bytes_of = {members.DUMP: 0, members.OBJECTS: 0, members.WEIGHTS: 0}
    counts = dict.fromkeys((*bytes_of, ""), 0)
    for member in found:
        kind = next((kind for kind in bytes_of if member.name.startswith(kind)), "")
        counts[kind] += 1
        bytes_of[kind] = bytes_of.get(kind, 0) + member.size
        if layout is not None:
            _place(layout, member)
    if counts[members.DUMP] != 1:
        raise BackupDamaged(f"the backup has no {members.DUMP}")
    return Contents(
        header,
        database_bytes=bytes_of[members.DUMP],
        objects=counts[members.OBJECTS],
        object_bytes=bytes_of[members.OBJECTS],
        weights=counts[members.WEIGHTS],
        secrets=counts[""],
    )


def _place(layout: StateDir, member: Member) -> None:
    path = members.place_of(layout, member.name)
    if path is None:
        raise BackupDamaged(f"the backup has a member {member.name!r}, which this release does not know")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE), "wb") as output:
        while chunk := member.stream.read(CHUNK_BYTES):
            output.write(chunk)


def _load(layout: StateDir) -> None:
    """Fill a new database cluster from the dump, and bring it to the schema of this release."""
    dump = layout.root / members.DUMP
    with serving(layout) as url:
        load_database(url, dump)
        upgrade(url)
        engine = connect(url)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("ANALYZE"))  # otherwise the first plans would not know the sizes of the tables
        engine.dispose()
    dump.unlink()


def _settle(layout: StateDir, target: Path) -> None:
    """Give the restored directory its name. An empty folder of that name is replaced."""
    for name in (layout.lock_file, layout.logs / "postgres.log"):
        name.unlink(missing_ok=True)
    os.sync()  # once, because syncing each of many small objects takes longer
    layout.root.rename(target)
    sync_folder(target.parent)
