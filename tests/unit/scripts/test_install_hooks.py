"""The hook `commit-msg` that `make setup` installs, in real git checkouts."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from scripts.install_hooks import HOOK, install

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def _own_git_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    (tmp_path / "gitconfig").write_text("[user]\nname = A Tester\nemail = tester@example.org\n")


def git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "a checkout"
    (folder / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts/check_commit_message.py", folder / "scripts")
    git(folder, "init", "--quiet")
    git(folder, "add", "scripts")
    assert git(folder, "commit", "-m", "Start").returncode == 0
    return folder


def hook_of(checkout: Path) -> Path:
    return checkout / ".git/hooks/commit-msg"


def test_the_hook_refuses_a_bad_message_and_lets_a_good_one_pass(checkout: Path) -> None:
    assert install(checkout) is None
    refused = git(checkout, "commit", "--allow-empty", "-m", "added a map.")
    assert refused.returncode != 0
    assert "imperative" in refused.stderr
    assert git(checkout, "commit", "--allow-empty", "-m", "Add a map").returncode == 0


def test_a_second_time_changes_nothing(checkout: Path) -> None:
    install(checkout)
    before = hook_of(checkout).stat()
    assert install(checkout) is None
    after = hook_of(checkout).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert [path.name for path in hook_of(checkout).parent.iterdir() if path.suffix != ".sample"] == ["commit-msg"]


def test_an_older_hook_of_ours_is_replaced(checkout: Path) -> None:
    hook_of(checkout).parent.mkdir(exist_ok=True)
    hook_of(checkout).write_text(HOOK + "# a line of a former release\n")
    assert install(checkout) is None
    assert hook_of(checkout).read_text() == HOOK


def test_a_foreign_hook_is_kept(checkout: Path) -> None:
    hook_of(checkout).parent.mkdir(exist_ok=True)
    hook_of(checkout).write_text("#!/bin/sh\nexit 0\n")
    problem = install(checkout)
    assert problem is not None
    assert "exists and is kept" in problem
    assert hook_of(checkout).read_text() == "#!/bin/sh\nexit 0\n"


def test_a_worktree_installs_it_where_all_worktrees_find_it(checkout: Path, tmp_path: Path) -> None:
    worktree = tmp_path / "worktree"
    assert git(checkout, "worktree", "add", "--quiet", str(worktree)).returncode == 0
    assert install(worktree) is None
    assert hook_of(checkout).exists()
    assert git(worktree, "commit", "--allow-empty", "-m", "Added a map").returncode != 0


def test_a_branch_without_the_script_can_be_committed_to(checkout: Path) -> None:
    install(checkout)
    git(checkout, "rm", "--quiet", "-r", "scripts")
    assert git(checkout, "commit", "-m", "removed the scripts").returncode == 0


def test_hooks_that_are_shared_with_other_repositories_are_kept(checkout: Path, tmp_path: Path) -> None:
    git(checkout, "config", "core.hooksPath", str(tmp_path / "hooks"))
    problem = install(checkout)
    assert problem is not None
    assert "core.hooksPath" in problem
    assert not (tmp_path / "hooks").exists()


def test_a_source_archive_inside_another_repository_gets_none(checkout: Path) -> None:
    inside = checkout / "vendor/samfleet"
    inside.mkdir(parents=True)
    assert install(inside) is None
    assert not hook_of(checkout).exists()


def test_outside_git_nothing_happens(tmp_path: Path) -> None:
    assert install(tmp_path) is None


def test_without_git_nothing_happens(checkout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert install(checkout) is None
    assert not hook_of(checkout).exists()
