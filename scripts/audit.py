"""Look up the locked packages in the database of known vulnerabilities, by pip-audit.

`python -m scripts.audit --pip-audit PATH` (`make audit`) exits with 0 only if the service replied about every package
and knows no vulnerability: pip-audit alone also succeeds if it could look up nothing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from scripts.locks import LOCKS, ROOT

NONE_KNOWN, FOUND, NOT_CHECKED = 0, 1, 2


def files() -> list[Path]:
    """Return the lock of the development environment and those of the images."""
    return [ROOT / "constraints.txt", *(lock.path for lock in LOCKS)]


def look_up(pip_audit: str, path: Path) -> Mapping[str, Any] | str:
    """Return pip-audit's report about a lock, or its message if it made none."""
    with TemporaryDirectory() as name:
        report = Path(name) / "report.json"
        done = subprocess.run(
            (pip_audit, "--requirement", path, "--no-deps", "--disable-pip", "--progress-spinner=off",
             "--format=json", f"--output={report}"),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if report.exists() and report.stat().st_size:
            content: Mapping[str, Any] = json.loads(report.read_text(encoding="utf-8"))
            return content
        return done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit code {done.returncode}"


def judge(report: Mapping[str, Any] | str) -> tuple[int, list[str]]:
    """Return the exit code for a report, and its lines."""
    if isinstance(report, str):
        return NOT_CHECKED, [f"nothing was checked: {report}"]
    packages = report["dependencies"]
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    lines = [
        f"{package['name']} {package['version']}: {flaw['id']}, fixed in {', '.join(flaw['fix_versions']) or 'none'}"
        for package in packages
        for flaw in package.get("vulns", ())
    ]
    if lines:
        return FOUND, lines
    if skipped or not packages:
        reason = f"{len(skipped)} of {len(packages)} packages were not checked, such as {', '.join(skipped[:3])}"
        return NOT_CHECKED, [f"{reason}: the vulnerability service does not reply about them (network or proxy)"]
    return NONE_KNOWN, [f"no known vulnerability in {len(packages)} packages"]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.audit", description="Look up the locked packages.")
    parser.add_argument("--pip-audit", default="pip-audit", help="pip-audit's program")
    arguments = parser.parse_args(argv)
    codes = set()
    for path in files():
        code, lines = judge(look_up(arguments.pip_audit, path))
        codes.add(code)
        for line in lines:
            print(f"{path.relative_to(ROOT)}: {line}", file=sys.stderr if code else sys.stdout)
    return FOUND if FOUND in codes else max(codes)


if __name__ == "__main__":
    sys.exit(main())
