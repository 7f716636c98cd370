"""`samfleet survey` through every real part, killed in the middle: the recorded mIoU of official MobileSAM."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fixtures.models.shared_data import shared_path
from fixtures.servers.running_stack import COMMAND, Samfleet
from fixtures.waiting import until

IMAGES = 6
PLAN = """
title: Official masks
datasets:
  coco: {images: images, annotations: instances.json, sample_of: COCO}
measurements:
  - {tasks: [box, center_point], datasets: coco, variants: mobile_sam}
  - {tasks: one_box, datasets: coco, variants: mobile_sam, limit: 4, repeats: 2}
  - {tasks: grid_16, datasets: coco, variants: mobile_sam, limit: 1}
"""


def state(out: Path) -> dict[str, Any]:
    path = out / "survey.json"
    return dict(json.loads(path.read_text())["cells"]) if path.exists() else {}


def finished(out: Path) -> int:
    return sum(cell["status"] == "completed" for cell in state(out).values())


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    coco = shared_path("data/coco_dev")
    (tmp_path / "images").mkdir()
    for image in recorded():
        shutil.copy(coco / "images" / image["file_name"], tmp_path / "images")
    shutil.copy(coco / "instances.json", tmp_path)
    (tmp_path / "plan.yaml").write_text(PLAN)
    return tmp_path / "plan.yaml"


def recorded() -> list[dict[str, Any]]:
    """Return the first images with the masks that official MobileSAM gave."""
    content = json.loads(shared_path("ref/dev/predictor/mobilesam_prompts.json").read_text())
    found: list[dict[str, Any]] = content["images"][:IMAGES]
    return found


def miou(mode: str) -> float:
    ious: list[float] = [instance[mode]["iou"] for image in recorded() for instance in image["instances"]]
    return sum(ious) / len(ious)


@pytest.mark.heavy
def test_a_killed_survey_goes_on_and_has_the_official_quality(samfleet: Samfleet, plan: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ("survey", "run", "--plan", plan, "--out", out)
    with samfleet.started(*command) as process:
        until(lambda: finished(out) >= 1)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    before = state(out)
    assert finished(out) < len(before)
    again = samfleet(*command, seconds=600)
    assert again.exit_code == 0, again.stderr
    after = state(out)
    assert {cell["status"] for cell in after.values()} == {"completed"}
    assert {key: cell["job_id"] for key, cell in before.items() if cell["job_id"]}.items() <= {
        key: cell["job_id"] for key, cell in after.items()
    }.items()
    tables = {table["key"]: table for table in json.loads((out / "report.json").read_text())["tables"]}
    found = {row["task_in_words"]: row for row in tables["prompts"]["rows"] if row["dataset"] == "coco"}
    assert found["prompts, box"]["miou"] == pytest.approx(100 * miou("box_single"), abs=0.01)
    assert found["prompts, center point"]["miou"] == pytest.approx(100 * miou("centre_point_multi_argmax"), abs=0.01)
    assert (found["prompts, box"]["published"], found["prompts, center point"]["published"]) == (73.4, 48.6)
    (one_box,) = tables["one_box"]["rows"]
    assert (one_box["runs"], one_box["published"]) == (2, 424)
    assert tables["everything"]["rows"][0]["method"] == "16 x 16 points"
    page = (out / "survey.html").read_text()
    assert all(f"Table {number}:" in page for number in range(3, 9))


@pytest.mark.heavy
def test_a_stand_in_is_timed_without_quality(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The survey starts a stack, which pulls the stand-ins."""

    def samfleet(*arguments: object) -> str:
        command = (*COMMAND, *map(str, arguments))
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=280)
        assert done.returncode == 0, done.stderr
        return done.stdout

    monkeypatch.setenv("SAMFLEET_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("SAMFLEET_VARIANTS", "")
    mine, out, photographs = (tmp_path / name for name in ("mine", "out", "photographs"))
    assert samfleet("survey", "stand-ins", "efficient_sam_ti", "--out", mine).strip().endswith("sam_ti.yaml")
    photographs.mkdir()
    shutil.copy(shared_path("data/coco_dev") / "images" / recorded()[0]["file_name"], photographs)
    plan = tmp_path / "plan.yaml"
    plan.write_text(
        "title: Times\ndatasets: {one: {images: photographs}}\n"
        "measurements: [{tasks: grid_16, datasets: one, variants: stand_ins, repeats: 2}]\n"
    )
    assert "2 completed" in samfleet("--variants-dir", mine, "survey", "run", "--plan", plan, "--out", out)
    tables = {table["key"]: table for table in json.loads((out / "report.json").read_text())["tables"]}
    (row,) = tables["everything"]["rows"]  # the first image after the load is warm-up
    assert (row["n"], row["runs"]) == (1, 1)
    assert (row["variant"], row["weights"]) == ("stand_in_efficient_sam_ti", "random")
