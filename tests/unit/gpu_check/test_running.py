from __future__ import annotations

import json
import os
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from benchmarks.gpu_check.options import Options, parse
from benchmarks.gpu_check.recorder import NotHere, Recorder
from benchmarks.gpu_check.running import Run, limit
from benchmarks.gpu_check.steps import STEPS, Step
from benchmarks.gpu_check.summary import summary, table
from benchmarks.gpu_check.wheels import old_numpy_of, site_of, unpack_wheels

WRITES = (
    "import json, sys; json.dump({'step': sys.argv[2], 'status': sys.argv[3], 'items': []}, open(sys.argv[1], 'w'))"
)


def run_of(folder: Path, script: Callable[[Step], str], minutes: float = 9.0) -> Run:
    def command(step: Step, path: Path) -> Sequence[str]:
        return [sys.executable, "-c", script(step), str(path), step.name, "passed"]

    return Run(Options(str(folder), str(folder / "work"), minutes=minutes), command, os.environ)


def test_a_crashed_step_is_reported_and_the_next_one_runs(tmp_path: Path) -> None:
    crash = "import sys; print('the last words'); sys.exit(7)"
    run = run_of(tmp_path, lambda step: crash if step.name == "gates" else WRITES)
    results = list(run.results(STEPS[:3]))
    assert [result["status"] for result in results] == ["passed", "crashed", "passed"]
    assert results[1]["error"] == "the process ended with 7"
    assert results[1]["output"] == ["the last words"]
    assert json.loads((tmp_path / "2-gates.json").read_text()) == results[1]
    assert not summary(results, 1.0)["passed"]
    assert "crashed" in "\n".join(table(results))


def test_a_hanging_step_is_ended_and_keeps_its_results(tmp_path: Path) -> None:
    hangs = (
        "import json, sys, time; "
        "json.dump({'step': 'parity', 'status': 'running', 'items': [], 'current': 'one'}, open(sys.argv[1], 'w')); "
        "time.sleep(600)"
    )
    run = run_of(tmp_path, lambda step: hangs)
    step = Step("parity", "parity", 1.0, "")
    result = run._result(step, tmp_path / "1-parity.json", 2.0)
    assert result["status"] == "timed_out"
    assert result["current"] == "one"


def test_steps_without_remaining_time_are_reported_as_skipped(tmp_path: Path) -> None:
    results = list(run_of(tmp_path, lambda step: WRITES, minutes=0.1).results(STEPS[:2]))
    assert [result["status"] for result in results] == ["skipped", "skipped"]
    assert (tmp_path / "2-gates.json").exists()
    assert not summary(results, 1.0)["passed"]


def test_the_remaining_time_is_divided_among_the_remaining_steps() -> None:
    steps = [Step("a", "a", 30, ""), Step("b", "b", 10, "")]
    assert limit(80, steps[0], steps) == 60
    assert limit(80, steps[1], steps[1:]) == 80


def test_items_and_their_errors_are_written_immediately(tmp_path: Path) -> None:
    path = tmp_path / "step.json"
    recorder = Recorder(path, "parity", {"torch": "2"})
    with recorder.item("one") as figures:
        figures |= {"ratio": float("nan")}
        assert json.loads(path.read_text())["current"] == "one"
    with recorder.item("two"):
        raise NotHere("no such device")
    assert recorder.finish() == "passed"
    with recorder.item("three"):
        raise RuntimeError("a kernel failed")
    one, two, three = json.loads(path.read_text())["items"]
    assert (one["passed"], one["ratio"]) == (True, "nan")
    assert (two["passed"], two["not_here"]) == (None, "no such device")
    assert (three["passed"], three["error"]) == (False, "RuntimeError: a kernel failed")
    assert recorder.finish() == "failed"
    assert json.loads(path.read_text())["status"] == "failed"


def test_items_can_be_nested(tmp_path: Path) -> None:
    path = tmp_path / "step.json"
    recorder = Recorder(path, "segevery", {})
    with recorder.item("loading"):
        with recorder.item("a grid"):
            assert json.loads(path.read_text())["current"] == "a grid"
        assert json.loads(path.read_text())["current"] == "loading"
    written = json.loads(path.read_text())
    assert [item["name"] for item in written["items"]] == ["a grid", "loading"]
    assert "current" not in written


def test_a_step_without_results_has_not_passed(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "step.json", "parity", {})
    assert recorder.finish() == "empty"
    assert recorder.finish(ValueError("no cases")) == "failed"


def test_numpy_1_is_unpacked_only_for_the_stub(tmp_path: Path) -> None:
    for name, member in (("numpy-1.26.4-cp312.whl", "numpy/one.py"), ("pycocotools-2.whl", "pycocotools/two.py")):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr(member, "")
    options = Options(str(tmp_path), str(tmp_path / "work"), wheels=str(tmp_path))
    unpack_wheels(options)
    assert (old_numpy_of(options) / "numpy" / "one.py").exists()
    assert (site_of(options) / "pycocotools" / "two.py").exists()
    assert not (site_of(options) / "numpy").exists()


def test_options_reach_a_step_unchanged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "--out",
        str(tmp_path),
        "--mobile-sam",
        str(tmp_path),
        "--parity",
        str(tmp_path),
        "--images",
        str(tmp_path),
    ]
    known = [step.name for step in STEPS]
    options = parse([*words, "--variants", "mobile_sam"], known)
    assert Options.from_json(options.to_json()) == options
    assert (options.wheels, options.triton_wheel, options.libpython) == ("", "", "")
    assert options.steps == tuple(known[:-1])
    assert parse([*words, "--triton"], known).steps == tuple(known)
    with pytest.raises(SystemExit):
        parse([*words, "--wheels", str(tmp_path / "none")], known)
    assert "--wheels" in capsys.readouterr().err
