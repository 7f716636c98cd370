from __future__ import annotations

import stat
from pathlib import Path

import pytest

from samfleet_cli.local_stack.layout import SOCKET_PATH_BYTES, StateDir
from samfleet_cli.local_stack.plain_paths import SocketFolderTaken


def modes(root: Path) -> set[int]:
    return {stat.S_IMODE(path.stat().st_mode) for path in (root, *root.rglob("*"))}


def test_all_files_are_closed_to_other_accounts(tmp_path: Path) -> None:
    StateDir(tmp_path / "state").create()
    assert modes(tmp_path / "state") == {0o700}


def test_files_left_open_by_an_earlier_release_are_closed(tmp_path: Path) -> None:
    root = tmp_path / "state"
    part = root / "storage" / "runs" / "1" / "parts" / "0.jsonl.zst"
    part.parent.mkdir(parents=True)
    part.touch()
    part.chmod(0o644)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.touch()
    elsewhere.chmod(0o644)
    (root / "link").symlink_to(elsewhere)
    for folder in (root, *root.rglob("*")):
        if folder.is_dir():
            folder.chmod(0o755)
    StateDir(root).create()
    assert {mode & 0o077 for mode in modes(root / "storage") | {stat.S_IMODE(root.stat().st_mode)}} == {0}
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o644


def test_postgresql_keeps_its_own_folder(tmp_path: Path) -> None:
    root = tmp_path / "state"
    (root / "postgres").mkdir(parents=True)
    (root / "postgres").chmod(0o750)
    root.chmod(0o755)
    StateDir(root).create()
    assert stat.S_IMODE((root / "postgres").stat().st_mode) == 0o750


def test_a_socket_lies_in_the_state_directory_if_its_path_is_short_enough(tmp_path: Path) -> None:
    layout = StateDir(tmp_path / "s")
    layout.create()
    name_bytes = SOCKET_PATH_BYTES - len(bytes(layout.root / "run"))
    assert layout.socket_folder(name_bytes) == layout.root / "run"


def test_a_socket_with_a_long_path_lies_in_a_private_folder_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    layout = StateDir(tmp_path / "s")
    layout.create()
    folder = layout.socket_folder(SOCKET_PATH_BYTES)
    assert folder.parent == tmp_path
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_folder_open_to_other_accounts_is_refused(tmp_path: Path) -> None:
    layout = StateDir(tmp_path / "s")
    layout.create()
    (layout.root / "run").mkdir(mode=0o700)
    (layout.root / "run").chmod(0o711)
    with pytest.raises(SocketFolderTaken, match="run"):
        layout.socket_folder(1)
