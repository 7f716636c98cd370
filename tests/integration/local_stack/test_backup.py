"""A backup of a real PostgreSQL cluster and its objects, restored into a new state directory."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import select, text

from fixtures.servers.backed_up_stack import (
    SECRET,
    WITHOUT_GRACE,
    backup,
    cluster,
    connected,
    copied,
    objects,
    rows,
    stack,
)
from samfleet.db.migrate import alembic_config, current_schema
from samfleet.db.models import Job
from samfleet.db.session import connect, transaction
from samfleet.jobs.clean import clean
from samfleet.jobs.delete import delete_job
from samfleet.process_identity import ProcessIdentity
from samfleet.storage.file_store import FileStore
from samfleet_cli.backups import write
from samfleet_cli.backups.archive import ArchiveWriter, read_archive
from samfleet_cli.backups.errors import (
    BackupDamaged,
    BackupExists,
    BackupObjectsMissing,
    DatabaseToolFailed,
    NothingToBackUp,
    PartIsElsewhere,
    StackUnsupervised,
    TargetInUse,
)
from samfleet_cli.backups.postgres_tools import dump_database
from samfleet_cli.backups.restore import restore, verify
from samfleet_cli.backups.write import BackupOptions, back_up
from samfleet_cli.local_stack import lock
from samfleet_cli.local_stack.layout import StateDir
from samfleet_cli.local_stack.leftovers import leftovers
from samfleet_cli.local_stack.lock import StackAlreadyRuns
from samfleet_cli.local_stack.part import PartState, PartStatus
from samfleet_cli.local_stack.processes import MARKER
from samfleet_cli.local_stack.state import StackInfo, StackState, write_state

__all__ = ["backup", "cluster", "stack"]  # fixtures


def test_a_restored_stack_has_the_same_rows_objects_and_keys(stack: StateDir, backup: Path, tmp_path: Path) -> None:
    (tmp_path / "new.restoring" / "storage").mkdir(parents=True)  # what a killed restore has left
    contents = restore(backup, tmp_path / "new")
    assert contents == verify(backup)
    restored = StateDir(tmp_path / "new")
    assert objects(restored) == objects(stack)
    assert (contents.objects, contents.weights, contents.secrets) == (len(objects(stack)), 1, 2)
    assert (restored.api_key_file.read_text(), restored.site_key.read_text()) == (SECRET, "a private key")
    assert (restored.weights / "tiny.pt").read_bytes() == b"weights"
    with connected(stack) as before, connected(restored) as after:
        found = rows(after)
        assert found == rows(before)
        assert len(found["image_results"]) == 6 + 7
        assert found["shards"]
        with after.connect() as connection:
            assert connection.scalar(text("SELECT count(*) FROM reports.latency")) > 0
            last = connection.scalar(text("SELECT max(id) FROM shards"))
            assert connection.scalar(text("SELECT nextval(pg_get_serial_sequence('shards', 'id'))")) > last
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_a_backup_can_be_read_by_its_owner_only_and_is_not_replaced(stack: StateDir, backup: Path) -> None:
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    with pytest.raises(BackupExists):
        back_up(stack.root, backup, BackupOptions())
    assert [path.name for path in backup.parent.iterdir()] == [backup.name]


def test_weights_and_secrets_can_be_left_out(stack: StateDir, tmp_path: Path) -> None:
    back_up(stack.root, tmp_path / "file", BackupOptions(weights=False, secrets=False))
    contents = verify(tmp_path / "file")
    assert (contents.weights, contents.secrets) == (0, 0)


@pytest.mark.parametrize("held", [True, False])
def test_objects_that_are_deleted_meanwhile_are_in_the_backup(
    stack: StateDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: bool
) -> None:
    """Two jobs are deleted and cleaned away between the snapshot and the copy. Without the hold, that is detected."""
    own, dump = copied(stack, tmp_path / "copy"), dump_database

    def dump_and_delete(url: str, snapshot: str, target: Path) -> None:
        dump(url, snapshot, target)
        engine = connect(url)
        with transaction(engine) as session:
            for job in session.scalars(select(Job).where(Job.finished_at.is_not(None))):
                delete_job(session, job.tenant_id, job.id)
        clean(engine, FileStore(own.storage), WITHOUT_GRACE)
        engine.dispose()

    monkeypatch.setattr(write, "dump_database", dump_and_delete)
    if held:
        back_up(own.root, tmp_path / "file", BackupOptions())
        assert verify(tmp_path / "file").objects == len(objects(stack))
    else:
        monkeypatch.setattr(write, "hold_objects", lambda _engine: nullcontext())
        with pytest.raises(BackupObjectsMissing):
            back_up(own.root, tmp_path / "file", BackupOptions())


def test_an_object_that_is_missing_fails_the_backup(stack: StateDir, tmp_path: Path) -> None:
    copy = copied(stack, tmp_path / "copy")
    whole = objects(copy)
    lost = next(key for key in whole if key.startswith("runs/"))
    FileStore(copy.storage).delete(lost)
    with pytest.raises(BackupObjectsMissing, match=f"lacks 1 of {len(whole)} .* {lost}"):
        back_up(copy.root, tmp_path / "file", BackupOptions())
    assert not (tmp_path / "file").exists()
    report = back_up(copy.root, tmp_path / "file", BackupOptions(allow_missing=True))
    assert (report.objects, report.missing) == (len(whole) - 1, 1)


def rewritten(backup: Path, file: Path, changes: Mapping[str, bytes]) -> Path:
    """Write a backup with other members, and right sums."""
    with backup.open("rb") as source, file.open("wb") as output:
        archive = ArchiveWriter(output, file.parent)
        for member in read_archive(source):
            data = member.stream.read(member.size)
            archive.add_bytes(member.name, changes.get(member.name, data))
        archive.finish()
        archive.close()
    return file


@pytest.mark.parametrize("damage", ["cut", "changed", "unknown member", "broken dump"])
def test_a_failed_restore_leaves_nothing(backup: Path, tmp_path: Path, damage: str) -> None:
    file, data = tmp_path / "file", bytearray(backup.read_bytes())
    error: type[Exception] = BackupDamaged
    if damage == "cut":
        file.write_bytes(data[: len(data) // 2])
    elif damage == "changed":
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
    elif damage == "unknown member":
        with file.open("wb") as output:
            archive = ArchiveWriter(output, tmp_path)
            with backup.open("rb") as source:
                header = next(read_archive(source))
                archive.add_bytes(header.name, header.stream.read(header.size))
            archive.add_bytes("later/thing", b"x")
            archive.finish()
            archive.close()
    else:
        rewritten(backup, file, {"database.dump": b"no dump"})
        error = DatabaseToolFailed
    with pytest.raises(error):
        restore(file, tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_directory_in_use_is_no_target(stack: StateDir, backup: Path, tmp_path: Path) -> None:
    with pytest.raises(TargetInUse):
        restore(backup, stack.root)
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "file").touch()
    with pytest.raises(TargetInUse):
        restore(backup, tmp_path / "new")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file"]


def test_a_directory_without_a_stack_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(NothingToBackUp):
        back_up(tmp_path / "state", tmp_path / "file", BackupOptions())
    assert list(tmp_path.iterdir()) == []


def test_a_stack_without_a_supervisor_is_refused_and_goes_on(stack: StateDir, tmp_path: Path) -> None:
    with subprocess.Popen(("sleep", "60"), env={MARKER: str(stack.root)}) as left:
        with pytest.raises(StackUnsupervised, match="1 processes"):
            back_up(stack.root, tmp_path / "file", BackupOptions())
        assert left.poll() is None
        left.kill()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("part", ["postgres", "storage"])
def test_a_part_elsewhere_is_named(stack: StateDir, tmp_path: Path, part: str) -> None:
    own = StateDir(tmp_path / "state")
    own.create()
    status = PartStatus(part, PartState.EXTERNAL, None, 0, None, "", "db.example:5432")
    info = StackInfo(own.root, "", "", "", "", "", {})
    write_state(own.state_file, StackState(ProcessIdentity(1, 0, ""), info, {}, [status]))
    with pytest.raises(PartIsElsewhere, match=f"{part} of this stack is at db.example:5432"):
        back_up(own.root, tmp_path / "file", BackupOptions())
    assert not (tmp_path / "file").exists()


def test_a_backup_of_an_earlier_schema_is_migrated(cluster: StateDir, tmp_path: Path) -> None:
    old = copied(cluster, tmp_path / "old")
    scripts = ScriptDirectory.from_config(alembic_config(""))
    head = scripts.get_current_head()
    with connected(old) as engine:
        config = alembic_config(engine.url.render_as_string(hide_password=False))
        command.upgrade(config, "head-1")
    back_up(old.root, tmp_path / "file", BackupOptions())
    assert verify(tmp_path / "file").header.schema != head
    restore(tmp_path / "file", tmp_path / "new")
    with connected(StateDir(tmp_path / "new")) as engine, engine.connect() as connection:
        assert current_schema(connection) == head


def test_a_stopped_stack_cannot_be_started_during_a_backup(
    stack: StateDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[Exception] = []
    dump = dump_database

    def try_to_start(url: str, snapshot: str, target: Path) -> None:
        try:
            with lock.exclude(stack.lock_file):
                pass
        except StackAlreadyRuns as error:
            refused.append(error)
        dump(url, snapshot, target)

    monkeypatch.setattr(write, "dump_database", try_to_start)
    back_up(stack.root, tmp_path / "file", BackupOptions())
    assert len(refused) == 1
    assert leftovers(stack) == []


def test_the_commands_print_what_a_backup_contains(stack: StateDir, tmp_path: Path) -> None:
    def run(*arguments: object) -> Any:
        environment = {"SAMFLEET_STATE_DIR": str(stack.root), "PATH": "/usr/bin:/bin"}
        command = (sys.executable, "-m", "samfleet_cli.main", *map(str, arguments), "--json")
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else done.stderr

    made = run("backup", tmp_path / "file")
    assert made["objects"] == len(objects(stack))
    assert made["database_bytes"] == verify(tmp_path / "file").database_bytes > 0
    assert "[restore_target_in_use]" in run("restore", tmp_path / "file")
