from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from samfleet_cli.local_stack import plain_paths
from samfleet_cli.local_stack.layout import StateDir
from samfleet_cli.local_stack.plain_paths import PathUnusable, SocketFolderTaken, is_plain, plain_copy, require_usable

ODD = [
    "with space",
    "b(1)",
    "[b]",
    "quo'te",
    'quo"te',
    "dollar$x",
    "ünï",
    "semi;colon",
    "back\\slash",
    "per%41cent",
    "a:b",
]


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(plain_paths, "_candidates", lambda: [folder])
    return folder


@pytest.mark.parametrize("name", ODD)
def test_triton_files_and_socket_move_away_from_a_path_that_triton_cannot_use(
    tmp_path: Path, temporary: Path, name: str
) -> None:
    layout = StateDir(tmp_path / name)
    layout.create()
    folder = layout.triton_folder()
    assert not is_plain(layout.root)
    assert is_plain(folder)
    assert (folder.parent, stat.S_IMODE(folder.stat().st_mode)) == (temporary, 0o700)
    assert layout.socket_folder(10) == folder
    (folder / "file").touch()
    layout.remove_temporary()
    assert list(temporary.iterdir()) == []


def test_a_plain_state_directory_contains_them(tmp_path: Path, temporary: Path) -> None:
    layout = StateDir(tmp_path / "st-1.0_x+y=z@w")
    layout.create()
    assert layout.triton_folder() == layout.root
    layout.remove_temporary()
    assert layout.root.is_dir()
    assert list(temporary.iterdir()) == []


def test_two_state_directories_have_two_folders(tmp_path: Path, temporary: Path) -> None:
    folders = set()
    for name in ODD:
        layout = StateDir(tmp_path / name)
        layout.create()
        folders.add(layout.triton_folder())
    assert len(folders) == len(ODD)


def test_a_folder_of_another_account_is_neither_used_nor_removed(tmp_path: Path, temporary: Path) -> None:
    layout = StateDir(tmp_path / "with space")
    layout.create()
    taken = plain_paths.temporary_path(layout.root)
    taken.mkdir()
    taken.chmod(0o755)
    with pytest.raises(SocketFolderTaken):
        layout.triton_folder()
    with pytest.raises(SocketFolderTaken):
        layout.remove_temporary()
    assert taken.is_dir()


@pytest.mark.parametrize("name", ["new\nline", "esc\x1b", os.fsdecode(b"latin-\xfc")])
def test_an_impossible_path_is_refused_at_once(tmp_path: Path, name: str) -> None:
    with pytest.raises(PathUnusable, match="SAMFLEET_STATE_DIR"):
        StateDir(tmp_path / name).create()
    assert not (tmp_path / name).exists()


def test_a_missing_plain_temporary_folder_is_an_error_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "t m p").mkdir()
    monkeypatch.setattr(plain_paths, "_candidates", lambda: [tmp_path / "t m p", tmp_path / "missing"])
    with pytest.raises(PathUnusable, match="TMPDIR"):
        require_usable(tmp_path / "with space")
    require_usable(tmp_path / "plain")


def test_a_noexec_folder_is_skipped(tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_paths, "_runs_programs", lambda folder: folder != temporary)
    with pytest.raises(PathUnusable):
        require_usable(tmp_path / "with space")


def test_a_repository_with_an_odd_path_is_copied(tmp_path: Path) -> None:
    odd, plain = tmp_path / "my code", tmp_path / "plain"
    for folder in (odd, plain):
        (folder / "model").mkdir(parents=True)
        (folder / "model" / "config.pbtxt").touch()
    assert plain_copy(plain, tmp_path / "copy") == plain
    for _ in range(2):
        assert plain_copy(odd, tmp_path / "copy") == tmp_path / "copy"
        assert [path.name for path in (tmp_path / "copy").rglob("*")] == ["model", "config.pbtxt"]
