"""A distillation that SIGKILL ends in the middle resumes to the files of an uninterrupted one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.models.tiny_distillation import PLAN, tiny_order
from samfleet_models.distillation import loop
from samfleet_models.distillation.run import distill

PROGRAM = Path(__file__)
LONG = replace(PLAN, epochs=6)


def started(folder: Path) -> subprocess.Popen[str]:
    path = os.pathsep.join(filter(None, sys.path))
    return subprocess.Popen(
        [sys.executable, PROGRAM, folder],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.heavy
@pytest.mark.parametrize("lines", [3, 6])
def test_a_killed_process_leaves_a_checkpoint_that_goes_on(tmp_path: Path, lines: int) -> None:
    """The third line is the first epoch's, so the kill comes in the middle of a later epoch."""
    files = []
    for name in ("whole", "killed"):
        folder = tmp_path / name
        if name == "killed":
            with started(folder) as process:
                assert process.stdout is not None
                for _ in range(2 + lines):
                    assert process.stdout.readline()
                process.send_signal(signal.SIGKILL)
            assert process.returncode == -signal.SIGKILL
            assert (folder / "out" / "checkpoint.pt").is_file()
            assert not (folder / "out" / "mine.yaml").exists()
        with started(folder) as process:
            process.communicate(timeout=200)
        assert process.returncode == 0
        files.append((folder / "out" / "mine.safetensors").read_bytes())
    assert files[0] == files[1]


if __name__ == "__main__":
    loop.SECONDS_BETWEEN_CHECKPOINTS = -1.0  # a checkpoint after every step, as a slow training has
    chosen = Path(sys.argv[1])
    chosen.mkdir(parents=True, exist_ok=True)
    distill(tiny_order(chosen), LONG, lambda line: print(line, flush=True))
