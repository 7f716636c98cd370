from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from samfleet.variants.task import EverythingParameters
from samfleet_cli import main
from samfleet_cli.commands.segment import TaskName, task_from_options
from samfleet_cli.grid_options import GRID_OPTIONS

HEAVY = ("torch", "numpy", "sqlalchemy", "celery", "httpx", "pydantic", "rich.progress")


def invoke(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main.app, arguments, env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})
    return result.exit_code, result.output


def test_every_parameter_of_the_generator_has_an_option() -> None:
    assert set(GRID_OPTIONS) == {field.name for field in fields(EverythingParameters)} - {"sampler"}
    code, text = invoke("segment", "--help")
    assert code == 0
    for name in GRID_OPTIONS:
        assert f"--{name.replace('_', '-')}" in text


def test_help_imports_nothing_heavy() -> None:
    program = f"import sys, samfleet_cli.main; print([name for name in {HEAVY!r} if name in sys.modules])"
    started = time.monotonic()
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "[]"
    assert time.monotonic() - started < 30


def test_only_given_parameters_are_sent() -> None:
    task = task_from_options(TaskName.EVERYTHING, {"points_per_side": 4}, None, annotated=False)
    assert task == {"kind": "everything", "points_per_side": 4}
    prompts = {"kind": "prompts", "prompt": "box", "from": "annotations"}
    assert task_from_options(TaskName.BOX, {}, None, annotated=True) == prompts
    assert task_from_options(TaskName.BOX, {}, True, annotated=True) == {**prompts, "multimask": True}


@pytest.mark.parametrize(
    ("task", "grid", "multimask", "annotated", "message"),
    [
        (TaskName.EVERYTHING, {}, True, False, "--multimask"),
        (TaskName.EVERYTHING, {"points_per_side": 0}, None, False, "points_per_side"),
        (TaskName.BOX, {"box_nms_thresh": 0.5}, None, True, "--box-nms-thresh"),
        (TaskName.CENTER_POINT, {}, None, False, "--annotations"),
    ],
)
def test_contradictions_are_wrong_usage(
    task: TaskName, grid: dict[str, float], multimask: bool | None, annotated: bool, message: str
) -> None:
    with pytest.raises(typer.BadParameter, match=message):
        task_from_options(task, grid, multimask, annotated=annotated)


def test_wrong_usage_ends_with_2(tmp_path: Path) -> None:
    code, text = invoke("segment", str(tmp_path), "--variant", "mobile_sam", "--task", "box", "--out", "out")
    assert code == 2
    assert "--annotations" in text
    assert invoke("segment", str(tmp_path / "missing"), "--variant", "mobile_sam", "--out", "out")[0] == 2


def test_an_error_is_one_line_with_its_code_on_stderr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SAMFLEET_STATE_DIR", str(tmp_path / "none"))
    monkeypatch.setattr(sys, "argv", ["samfleet", "jobs", "list"])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("samfleet: no stack runs in ")
    assert shown.err.endswith("[stack_not_running]\n")
    assert shown.err.count("\n") == 1


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "localhost:9"])
def test_an_unreachable_api_says_how_to_start_one(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("samfleet_cli.transport.RETRY_DELAYS_SECONDS", ())
    monkeypatch.setattr(sys, "argv", ["samfleet", "jobs", "show", "j1", "--api-url", url, "--api-key", "key"])
    with pytest.raises(SystemExit):
        main.main()
    assert "samfleet up" in capsys.readouterr().err
