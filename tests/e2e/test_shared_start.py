"""Two concurrent commands in a folder without a running stack."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.images.scenes import write_scenes
from fixtures.models.shared_data import weights_dir
from samfleet_cli.local_stack.stack import stack_status, stop_stack


def segment(work: Path, images: Path, out: str) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SAMFLEET_")}
    arguments = ("segment", str(images), "--variant", "mobile_sam", "--points-per-side", "4", "--out", out)
    return subprocess.Popen(
        (sys.executable, "-P", "-m", "samfleet_cli.main", *arguments),
        cwd=work,
        env={**kept, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "SAMFLEET_WEIGHTS_DIR": str(weights_dir())},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.heavy
@pytest.mark.timeout(300)
def test_a_stack_started_by_one_command_stays_up_for_a_longer_one(tmp_path: Path) -> None:
    short, long = (write_scenes(tmp_path / name, count)[0].parent for name, count in (("one", 1), ("twelve", 12)))
    try:
        with segment(tmp_path, short, "short") as first, segment(tmp_path, long, "long") as second:
            said = [process.communicate()[1] for process in (first, second)]
        left = stack_status(tmp_path / ".samfleet").state
    finally:
        stop_stack(tmp_path / ".samfleet")
    assert (first.returncode, second.returncode) == (0, 0), said
    for out, images in (("short", 1), ("long", 12)):
        summary = json.loads((tmp_path / out / "summary.json").read_text())
        assert summary["counts"] == {"total": images, "succeeded": images, "failed": 0}
    assert sum("starting one for this command" in text for text in said) == 1
    assert sum("stopping the stack" in text for text in said) == 1
    assert left == "stopped"
