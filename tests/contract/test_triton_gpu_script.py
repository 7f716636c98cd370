"""`deploy/triton-gpu.sh` with a stand-in for the server that prints its arguments."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "triton-gpu.sh"
SERVER = """#!/bin/sh
printf '%s\\n' "$@"
env | grep SAMFLEET_TRITON_SECRET && echo "the server knows the secret"
exit 0
"""


@pytest.fixture
def programs(tmp_path: Path) -> str:
    server = tmp_path / "bin" / "tritonserver"
    server.parent.mkdir()
    server.write_text(SERVER)
    server.chmod(0o755)
    return os.pathsep.join([str(server.parent), str(Path(sys.executable).parent), os.environ["PATH"]])


def _serve(programs: str, tmp_path: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    values = {"PATH": programs, "TMPDIR": str(tmp_path), **settings}
    return subprocess.run(("sh", SCRIPT), env=values, capture_output=True, text=True, check=False, timeout=60)


def test_the_server_accepts_grpc_only_with_the_secret(programs: str, tmp_path: Path) -> None:
    answer = _serve(programs, tmp_path, SAMFLEET_TRITON_SECRET="s" * 32, SAMFLEET_VARIANTS="mobile_sam,tinysam")
    options = dict(line.partition("=")[::2] for line in answer.stdout.splitlines())

    assert (answer.returncode, answer.stderr) == (0, "")
    assert "--load-model=mobile_sam\n--load-model=tinysam" in answer.stdout
    assert (options["--allow-http"], options["--grpc-use-ssl-mutual"]) == ("false", "true")
    for name in ("--grpc-server-key", "--grpc-server-cert", "--grpc-root-cert"):
        assert Path(options[name]).stat().st_mode & 0o077 == 0
    assert "the server knows the secret" not in answer.stdout


def test_the_server_does_not_start_without_a_secret(programs: str, tmp_path: Path) -> None:
    answer = _serve(programs, tmp_path)

    assert answer.returncode == 1
    assert "triton_secret_missing" in answer.stderr
    assert answer.stdout == ""
