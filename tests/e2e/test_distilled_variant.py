"""`samfleet distill` with the real MobileSAM, and its result on the real stack.

Takes 60 photographs, or as many as `SAMFLEET_DISTILL_IMAGES` says.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from fixtures.models.shared_data import shared_path, weights_dir
from fixtures.servers.running_stack import COMMAND

IMAGES = int(os.environ.get("SAMFLEET_DISTILL_IMAGES", "60"))
SECONDS = 3600


def samfleet(folder: Path, *arguments: object) -> str:
    """Run a command that starts a stack if it needs one, and return its output."""
    done = subprocess.run(
        (*COMMAND, *map(str, arguments)),
        cwd=folder,
        env={**os.environ, "SAMFLEET_STATE_DIR": str(folder / "state"), "COLUMNS": "160"},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.heavy
@pytest.mark.timeout(2 * SECONDS)
def test_a_distilled_student_serves_a_job(tmp_path: Path) -> None:
    photographs = sorted(shared_path("data", "coco_dev", "images").iterdir())[:IMAGES]
    images, mine, weights = (tmp_path / name for name in ("images", "mine", "state/weights"))
    for folder in (images, weights):
        folder.mkdir(parents=True)
    for photograph in photographs:
        shutil.copy(photograph, images)
    shutil.copy(weights_dir() / "mobile_sam.pt", weights)
    path = samfleet(
        tmp_path, "distill", "squeezesam", "--teacher", "mobile_sam", "--images", images, "--out", mine,
        "--name", "mine", "--input-size", 256, "--grid", 4, "--samples", 2, "--batch-size", 4, "--epochs", 3,
        "--device", "cpu",
    )  # fmt: skip
    assert path.strip() == str(mine / "mine.yaml")
    losses = [epoch["validation_loss"] for epoch in json.loads((mine / "report.json").read_text())["epochs"]]
    assert losses[-1] < losses[0]
    samfleet(tmp_path, "--variants-dir", mine, "variants", "pull", "mine")
    summary = samfleet(
        tmp_path, "--variants-dir", mine, "segment", images, "--variant", "mine", "--points-per-side", 2,
        "--limit", 2, "--out", tmp_path / "segmented", "--json",
    )  # fmt: skip
    assert json.loads(summary)["counts"] == {"total": 2, "succeeded": 2, "failed": 0}
