"""The stack works under any path of its state and its code."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.images.scenes import write_scenes
from fixtures.models.shared_data import REPOSITORY, weights_dir
from samfleet_cli.local_stack import plain_paths
from samfleet_cli.local_stack.stack import stop_stack

PACKAGES = ("services", "worker", "triton_models")


@pytest.mark.heavy
@pytest.mark.timeout(300)
def test_a_job_runs_in_folders_with_spaces_quotes_and_non_ascii_names(tmp_path: Path) -> None:
    code, work = tmp_path / "my code (2) ü", tmp_path / "st (1) ünï $x 'q' \"d\""
    for name in (*PACKAGES, "migrations"):
        shutil.copytree(REPOSITORY / name, code / name, ignore=shutil.ignore_patterns("__pycache__"))
    images = write_scenes(work / "images", 1)[0].parent
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SAMFLEET_")}
    environment = {
        **kept,
        "PYTHONPATH": os.pathsep.join(str(code / name) for name in PACKAGES),
        "SAMFLEET_WEIGHTS_DIR": str(weights_dir()),
    }
    arguments = ("segment", str(images), "--variant", "mobile_sam", "--points-per-side", "4", "--out", "out")
    try:
        done = subprocess.run(
            (sys.executable, "-P", "-m", "samfleet_cli.main", *arguments),
            cwd=work,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        stop_stack(work / ".samfleet")
    assert done.returncode == 0, done.stderr
    assert (work / "out" / "mobile_sam.coco.json").is_file()
    assert not plain_paths.temporary_path((work / ".samfleet").resolve()).exists()
