from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scripts.audit import FOUND, NONE_KNOWN, NOT_CHECKED, judge, look_up, main

CLEAN: dict[str, Any] = {"name": "a", "version": "1", "vulns": []}
FLAWED = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]}
SKIPPED = {"name": "c", "skip_reason": "Dependency not found on PyPI"}


@pytest.mark.parametrize(
    ("packages", "code", "words"),
    [
        ([CLEAN], NONE_KNOWN, "no known vulnerability in 1 packages"),
        ([CLEAN, FLAWED], FOUND, "b 2: PYSEC-1, fixed in 3"),
        ([FLAWED, SKIPPED], FOUND, "PYSEC-1"),
        ([CLEAN, SKIPPED], NOT_CHECKED, "1 of 2 packages were not checked, such as c"),
        ([], NOT_CHECKED, "0 of 0 packages"),
    ],
)
def test_only_complete_replies_without_findings_pass(packages: list[dict[str, Any]], code: int, words: str) -> None:
    found, lines = judge({"dependencies": packages})
    assert found == code
    assert words in lines[0]


def _program(tmp_path: Path, body: str) -> str:
    path = tmp_path / "pip-audit"
    path.write_text(f"#!/bin/sh\nfor word; do case $word in --output=*) out=${{word#--output=}};; esac; done\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_a_program_without_a_report_has_checked_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = _program(tmp_path, "echo 'ERROR: could not connect' >&2; exit 1")
    assert look_up(program, tmp_path / "lock.txt") == "ERROR: could not connect"
    assert main(["--pip-audit", program]) == NOT_CHECKED
    assert "nothing was checked: ERROR: could not connect" in capsys.readouterr().err


def test_a_report_is_read(tmp_path: Path) -> None:
    program = _program(tmp_path, """echo '{"dependencies": [], "fixes": []}' > "$out"; exit 1""")
    assert look_up(program, tmp_path / "lock.txt") == {"dependencies": [], "fixes": []}
