"""The form of commit messages."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from scripts.check_commit_message import main, problems, without_comments


@pytest.mark.parametrize(
    "message",
    [
        "Add a map of the folders",
        "Bring the file to the laptop\n\nIt is needed there.",
        "x".upper() * 72,
        "Merge branch 'docs' of a name that is as long as the branches of some people are, which git writes itself",
        'Revert "Added something."',
        "fixup! added something.",
        "RepViT-SAM: load the official checkpoint",
    ],
)
def test_a_good_message_passes(message: str) -> None:
    assert problems(message) == []


@pytest.mark.parametrize(
    ("message", "part"),
    [
        ("", "empty"),
        ("add a map", "capital letter"),
        ("Added a map", "imperative"),
        ("Adding a map", "imperative"),
        ("X" * 73, "73 characters"),
        ("Add a map.", "period"),
        ("Add a map\nof the folders", "second line"),
    ],
)
def test_a_bad_message_is_explained(message: str, part: str) -> None:
    [problem] = problems(message)
    assert part in problem


def test_all_problems_are_listed_at_once() -> None:
    assert len(problems("added a map.\nand more")) == 4


def test_comments_and_the_diff_below_the_scissors_do_not_count() -> None:
    text = "\nAdd a map\n# Please enter the commit message\n# ---- >8 ----\ndiff --git a/x b/x\n"
    assert without_comments(text) == "Add a map"


def test_the_hook_gives_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "COMMIT_EDITMSG"
    path.write_text("Add a map\n")
    assert main([str(path)]) == 0
    path.write_text("Added a map\n")
    assert main([str(path)]) == 1
    assert "imperative" in capsys.readouterr().err


def test_a_range_of_commits_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "A Tester")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "tester@example.org")
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "--quiet"], check=True)
    for subject in ("Start", "Add a map", "# 1 is no comment here", "Added more"):
        subprocess.run(["git", "commit", "--quiet", "--allow-empty", "--cleanup=verbatim", "-m", subject], check=True)
    assert main(["--commits", "HEAD~3..HEAD~2"]) == 0
    assert main(["--commits", "HEAD~3..HEAD"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 2
