from __future__ import annotations

import platform
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from samfleet_cli.local_stack.confine import command

PROGRAM = """
import os, sys
made = os.open(sys.argv[1], os.O_CREAT | os.O_RDWR, 0o666)
try:
    os.fchmod(made, 0o666)
except PermissionError:
    print("refused")
os.fchmod(made, 0o400)
"""


@pytest.mark.skipif(platform.machine() not in {"x86_64", "aarch64"}, reason="the filter supports two architectures")
def test_a_confined_program_cannot_open_files_to_other_accounts(tmp_path: Path) -> None:
    path = tmp_path / "made"
    done = subprocess.run(
        command((sys.executable, "-c", PROGRAM, str(path))), capture_output=True, text=True, check=True
    )
    assert done.stdout == "refused\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o400


def test_the_unconfined_program_opens_the_file(tmp_path: Path) -> None:
    path = tmp_path / "made"
    done = subprocess.run((sys.executable, "-c", PROGRAM, str(path)), capture_output=True, text=True, check=True)
    assert done.stdout == ""
