from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from fixtures.api.api_double import job
from samfleet.client.schemas import Job
from samfleet.jobs.task import PromptSource
from samfleet.variants.task import EverythingParameters
from samfleet_cli import main
from samfleet_cli.commands.grid_options import GRID_OPTIONS
from samfleet_cli.commands.job_output import print_job
from samfleet_cli.commands.segment_task import TaskName, task_from_options

HEAVY = ("torch", "numpy", "sqlalchemy", "celery", "httpx", "pydantic", "rich.progress")


def invoke(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main.app, arguments, env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})
    return result.exit_code, result.output


def test_every_parameter_of_the_generator_has_an_option() -> None:
    assert set(GRID_OPTIONS) == {field.name for field in fields(EverythingParameters)}
    code, text = invoke("segment", "--help")
    assert code == 0
    for name in GRID_OPTIONS:
        assert f"--{name.replace('_', '-')}" in text


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from samfleet_cli.commands.on_demand import COMMANDS, build_command;"
        f"print([*map(build_command, COMMANDS)] and [name for name in {HEAVY!r} if name in sys.modules])"
    )
    started = time.monotonic()
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "[]"
    assert time.monotonic() - started < 30


def test_a_start_imports_only_the_command_that_runs() -> None:
    program = (
        "import sys; from samfleet_cli.main import app; app(['keys', 'list', '--help'], standalone_mode=False);"
        "print(*(name for name in sys.modules if name.startswith('samfleet_cli.commands.')))"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    imported = {name.removeprefix("samfleet_cli.commands.") for name in finished.stdout.splitlines()[-1].split()}
    assert imported == {"on_demand", "options", "keys", "rows"}


def test_a_mistyped_command_is_answered_with_the_right_one() -> None:
    code, text = invoke("segmnt")
    assert code == 2
    assert "No such command 'segmnt'. Did you mean 'segment'?" in text


def test_only_given_parameters_are_sent() -> None:
    task = task_from_options(TaskName.EVERYTHING, {"points_per_side": 4}, None, files=[])
    assert task == {"kind": "everything", "points_per_side": 4}
    tiled = task_from_options(TaskName.EVERYTHING, {"tile": {"size": 512}}, None, files=[])
    assert tiled == {"kind": "everything", "tile": {"size": 512}}
    boxes = task_from_options(TaskName.BOX, {"tile": {"size": 512}}, None, files=["annotations"])
    assert boxes == {"kind": "prompts", "prompt": "box", "from": "annotations", "tile": {"size": 512}}
    with pytest.raises(typer.BadParameter, match="--sampler: needs --task everything"):
        task_from_options(TaskName.BOX, {"tile": {"size": 512}, "sampler": "grid"}, None, files=["annotations"])
    with pytest.raises(typer.BadParameter, match="tile size is 5"):
        task_from_options(TaskName.EVERYTHING, {"tile": {"size": 5}}, None, files=[])
    prompts = {"kind": "prompts", "prompt": "box", "from": "annotations"}
    assert task_from_options(TaskName.BOX, {}, None, files=["annotations"]) == prompts
    assert task_from_options(TaskName.BOX, {}, True, files=["annotations"]) == {**prompts, "multimask": True}
    drawn = {"points": 5, "seed": None}
    random = task_from_options(TaskName.RANDOM_POINTS, {}, None, files=["annotations"], drawn=drawn)
    assert random == {**prompts, "prompt": "random_points", "points": 5}
    with pytest.raises(typer.BadParameter, match="need --task random_points"):
        task_from_options(TaskName.BOX, {}, None, files=["annotations"], drawn=drawn)
    with pytest.raises(typer.BadParameter, match="points is 0"):
        task_from_options(TaskName.RANDOM_POINTS, {}, None, files=["annotations"], drawn={"points": 0})


def test_prompts_of_a_file_may_come_with_annotations_to_compare_with() -> None:
    task = {"kind": "prompts", "prompt": "file", "from": "prompts"}
    assert task_from_options(TaskName.FILE, {}, None, files=["annotations", "prompts"]) == task


@pytest.mark.parametrize(
    ("grid", "files", "boxes_from"),
    [
        ({}, ["annotations"], "annotations"),
        ({}, ["detections"], "detections"),
        ({}, ["detections", "annotations"], "detections"),
        ({"boxes_from": "annotations"}, ["detections", "annotations"], "annotations"),
    ],
)
def test_boxes_come_from_the_file_that_is_given(
    grid: dict[str, Any], files: Sequence[PromptSource], boxes_from: str
) -> None:
    grid = {"sampler": "object_aware", **grid}
    task = task_from_options(TaskName.EVERYTHING, grid, None, files=files)
    assert task == {"kind": "everything", **grid, "boxes_from": boxes_from}


@pytest.mark.parametrize(
    ("task", "grid", "multimask", "files", "message"),
    [
        (TaskName.EVERYTHING, {}, True, [], "--multimask"),
        (TaskName.EVERYTHING, {"points_per_side": 0}, None, [], "points_per_side"),
        (TaskName.EVERYTHING, {"sampler": "hexagonal"}, None, [], "hexagonal"),
        (TaskName.EVERYTHING, {"high_score_thresh": 8}, None, [], "does not take high_score_thresh"),
        (TaskName.EVERYTHING, {"sampler": "object_aware"}, None, [], "--detections or --annotations"),
        (
            TaskName.EVERYTHING,
            {"sampler": "object_aware", "boxes_from": "detections"},
            None,
            ["annotations"],
            "needs --detections",
        ),
        (TaskName.EVERYTHING, {}, None, ["detections"], "needs --sampler object_aware"),
        (TaskName.BOX, {"box_nms_thresh": 0.5}, None, ["annotations"], "--box-nms-thresh"),
        (TaskName.BOX, {}, None, ["annotations", "detections"], "needs --sampler object_aware"),
        (TaskName.CENTER_POINT, {}, None, [], "--annotations"),
        (TaskName.FILE, {}, None, ["annotations"], "--task file needs --prompts"),
        (TaskName.FILE, {}, True, ["prompts"], "does not take multimask"),
        (TaskName.FILE, {"points_per_side": 4}, None, ["prompts"], "--points-per-side"),
        (TaskName.BOX, {}, None, ["annotations", "prompts"], "--prompts needs --task file"),
        (TaskName.EVERYTHING, {}, None, ["prompts"], "--prompts needs --task file"),
    ],
)
def test_contradictory_options_are_a_usage_error(
    task: TaskName, grid: dict[str, Any], multimask: bool | None, files: Sequence[PromptSource], message: str
) -> None:
    with pytest.raises(typer.BadParameter, match=message):
        task_from_options(task, grid, multimask, files=files)


def test_usage_errors_exit_with_2(tmp_path: Path) -> None:
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
    assert shown.err.startswith("samfleet: no stack is running in ")
    assert shown.err.endswith("[stack_not_running]\n")
    assert shown.err.count("\n") == 1


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:9", "samfleet up"),
        ("localhost:9", "did you mean http://localhost:9? [api_url_invalid]"),
        ("ftp://localhost:9", "starts neither with http:// nor with https:// [api_url_invalid]"),
    ],
)
def test_an_unreachable_api_says_what_to_do(
    url: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("samfleet.client.transport.RETRY_DELAYS_SECONDS", ())
    monkeypatch.setattr(sys, "argv", ["samfleet", "jobs", "show", "j1", "--api-url", url, "--api-key", "key"])
    with pytest.raises(SystemExit):
        main.main()
    assert said in capsys.readouterr().err


def test_an_evaluation_needs_annotations(tmp_path: Path) -> None:
    arguments = ("--variant", "mobile_sam", "--out", str(tmp_path / "out"), "--evaluate")
    code, text = invoke("segment", str(tmp_path), *arguments)
    assert code == 2
    assert "--evaluate needs --annotations" in text


@pytest.mark.parametrize("amount", ["inf", "nan", "-1", "1e10"])
def test_a_price_must_be_an_amount_of_money(amount: str) -> None:
    code, text = invoke("report", "price", "L4", "--api-key", "k", "--", amount)
    assert code == 2
    assert "PER_HOUR" in text


@pytest.mark.parametrize("option", ["--annotations", "--detections", "--prompts"])
def test_a_pipe_is_refused_with_one_sentence(tmp_path: Path, option: str) -> None:
    """A shell passes a pipe for `<(…)`."""
    os.mkfifo(tmp_path / "pipe")
    arguments = [str(tmp_path), "--variant", "mobile_sam", "--out", str(tmp_path / "out")]
    code, text = invoke("segment", *arguments, option, str(tmp_path / "pipe"))
    assert code == 2
    assert "is a pipe or a device; write it to a file first" in " ".join(text.replace("│", " ").split())


def test_strict_annotations_need_annotations(tmp_path: Path) -> None:
    code, text = invoke("segment", str(tmp_path), "--variant", "m", "--out", str(tmp_path), "--strict-annotations")
    assert (code, "--strict-annotations needs --annotations" in text) == (2, True)


def test_a_stalled_job_shows_its_reason(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    stalled = {"code": "triton_unavailable", "message": "Triton does not answer", "since": "2026-11-28T12:00:00Z"}
    print_job(Job.model_validate(job(state="running", stalled=stalled)), as_json=False)
    assert "Triton does not answer (triton_unavailable)" in capsys.readouterr().out
