from __future__ import annotations

import stat
from pathlib import Path

from samfleet.process_identity import ProcessIdentity
from samfleet_cli.local_stack.layout import StateDir
from samfleet_cli.local_stack.part import PartState, PartStatus
from samfleet_cli.local_stack.state import StackInfo, StackState, read_state, write_state


def _state(state_dir: Path) -> StackState:
    info = StackInfo(
        state_dir=state_dir,
        api_url="http://127.0.0.1:1",
        api_key="key",
        database_url="postgresql://",
        broker_url="redis://",
        storage_url="file:///",
        pools={"local": ["127.0.0.1:2"]},
    )
    parts = [PartStatus("redis", PartState.READY, 7, 1, -9, "2026-01-01T00:00:00+00:00", "127.0.0.1:3")]
    return StackState(ProcessIdentity(5, 6, "boot"), info, {"api": 1}, parts, [ProcessIdentity(7, 8, "boot")])


def test_the_state_file_round_trips(tmp_path: Path) -> None:
    path = tmp_path / "stack.json"

    write_state(path, _state(tmp_path))

    assert read_state(path) == _state(tmp_path)


def test_only_the_owner_reads_the_secrets(tmp_path: Path) -> None:
    path = tmp_path / "stack.json"
    path.touch(mode=0o644)

    write_state(path, _state(tmp_path))

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["stack.json"]


def test_missing_torn_and_other_version_files_read_as_no_state(tmp_path: Path) -> None:
    path = tmp_path / "stack.json"
    assert read_state(path) is None

    path.write_text('{"version": 1, "superv', encoding="utf-8")
    assert read_state(path) is None

    path.write_text('{"version": 0}', encoding="utf-8")
    assert read_state(path) is None


def test_a_secret_is_created_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    layout = StateDir(tmp_path)

    secret = layout.secret(layout.api_key_file)

    assert len(secret) >= 24
    assert layout.secret(layout.api_key_file) == secret
    assert stat.S_IMODE(layout.api_key_file.stat().st_mode) == 0o600
