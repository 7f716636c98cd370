from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.gpu_check.__main__ import main
from benchmarks.gpu_check.steps import STEPS
from fixtures.images.scenes import write_scenes
from fixtures.models.shared_data import shared_path, weights_dir


def words(folder: Path, parity: Path) -> list[str]:
    photographs = folder / "photographs"
    photographs.mkdir()
    write_scenes(photographs, 5)
    files = ["--mobile-sam", str(weights_dir() / "mobile_sam.pt"), "--parity", str(parity)]
    return ["--out", str(folder / "out"), "--device", "cpu", "--small", "--images", str(photographs), *files]


def test_a_step_runs_the_real_engine_and_writes_its_figures(tmp_path: Path) -> None:
    assert main([*words(tmp_path, tmp_path), "--steps", "soak"]) == 0
    result = json.loads((tmp_path / "out" / "1-soak.json").read_text())
    assert result["status"] == "passed"
    assert result["environment"]["device_kind"] == "cpu"
    assert result["items"][0]["images_per_second"] > 0
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["steps"] == [result]


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_every_step_is_reported_in_the_small_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = [*words(tmp_path, shared_path("parity")), "--variants", "mobile_sam", "--triton", "--minutes", "14"]
    code = main(given)
    written = capsys.readouterr().out
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    statuses = {result["step"]: result["status"] for result in summary["steps"]}
    assert list(statuses) == [step.name for step in STEPS]
    assert set(statuses.values()) <= {"passed", "not_here"}, written
    assert code == 0
