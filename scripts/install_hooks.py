"""Install git's hook `commit-msg` for this checkout; `make setup` runs it.

Do nothing outside a git checkout of this repository. Never replace a hook that somebody else wrote.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MARK = "# Installed by samfleet's `make setup`."
# Worktrees share one folder of hooks, so the hook looks for the script in the worktree that commits.
HOOK = f"""#!/bin/sh
{MARK} It checks the form of the commit message.
check=scripts/check_commit_message.py
[ -f "$check" ] || exit 0
python=.venv/bin/python
[ -x "$python" ] || python=$(command -v python3) || exit 0
exec "$python" "$check" "$1"
"""


def _git(root: Path, *arguments: str) -> Path | None:
    """Return the path that `git rev-parse` prints, or None without git or outside a checkout."""
    command = ["git", "-C", str(root), "rev-parse", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError:
        return None
    return (root / done.stdout.rstrip("\n")).resolve() if done.returncode == 0 else None


def install(root: Path) -> str | None:
    """Write the hook if it is missing or old. Return a message if it could not be installed."""
    top, common, folder = (
        _git(root, "--show-toplevel"),
        _git(root, "--git-common-dir"),
        _git(root, "--git-path", "hooks"),
    )
    if top != root.resolve() or common is None or folder is None:
        return None  # a source archive, perhaps unpacked inside another repository
    if not folder.is_relative_to(common):
        return f"core.hooksPath is {folder}; call scripts/check_commit_message.py from its commit-msg hook yourself"
    path = folder / "commit-msg"
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else None
    if text == HOOK:
        return None
    if path.is_symlink() or (text is not None and MARK not in text):
        return f"{path} exists and is kept; call scripts/check_commit_message.py from it to check commit messages"
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f"commit-msg.{os.getpid()}"
    fresh.write_text(HOOK, encoding="utf-8")
    fresh.chmod(0o755)
    fresh.replace(path)
    return None


if __name__ == "__main__":
    if problem := install(ROOT):
        print(problem, file=sys.stderr)
