"""Commits that documents and results of benchmarks name are in this history, so that a reader can check them out."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMED = re.compile(r"[`\"]((?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{7,12})[`\"]")  # letters and digits: not a number
OTHERS = {"34bbbfd"}  # of the official MobileSAM


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def history() -> list[str]:
    if not (ROOT / ".git").exists() or git("rev-parse", "--is-shallow-repository").strip() == "true":
        pytest.skip("no history here: not a clone, or a shallow one")
    return git("rev-list", "HEAD").split()


def test_documents_name_commits_of_this_history(history: list[str]) -> None:
    unknown = []
    for path in (*ROOT.glob("docs/**/*.md"), *ROOT.glob("docs/benchmarks/*.json"), ROOT / "README.md"):
        names = set(NAMED.findall(path.read_text(encoding="utf-8"))) - OTHERS
        unknown += [
            f"{path.relative_to(ROOT)}: {name}" for name in names if not any(one.startswith(name) for one in history)
        ]
    assert not unknown


def test_only_names_with_letters_and_digits_are_commits() -> None:
    text = '`4e8ff17f` "49ef34e29a0e" `1234567` `deadbeef` `abcdef0` `d1`'
    assert NAMED.findall(text) == ["4e8ff17f", "49ef34e29a0e", "abcdef0"]
