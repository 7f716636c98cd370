"""`samfleet variants verify` behind its options."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from samfleet_cli.gating import TorchNotInstalled
from samfleet_cli.local_stack.gates import installed_version
from samfleet_cli.local_stack.triton_command import CPU_TUNING


def run_verify(folder: Path, names: Sequence[str], threads: int | None) -> int:
    """The exit code of the comparison, which prints its own lines, in a process with Triton's allocator settings."""
    if installed_version("torch") is None:
        raise TorchNotInstalled
    command = [sys.executable, "-m", "samfleet_models.parity.verify", str(folder), *names]
    command += ["--threads", str(threads)] if threads else []
    return subprocess.run(command, env={**os.environ, **CPU_TUNING}, check=False).returncode
