"""`samfleet variants gate`, and the gates in `list` and `show`; the measurement has separate tests."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from fixtures.images.scenes import write_scenes
from fixtures.models.gates import SUBJECT, gate
from samfleet.variants.catalogue import get_variant
from samfleet.variants.execution import Execution
from samfleet.variants.gates import GateSubject, write_gate
from samfleet_cli.commands.variants import app
from samfleet_cli.model_tools import GateRun, run_gate
from samfleet_models.version import engine_version


def run(*arguments: str, code: int = 0) -> str:
    outcome = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
    assert outcome.exit_code == code, outcome.output
    return outcome.output


@pytest.fixture
def here() -> GateSubject:
    """A subject that matches this code and this torch."""
    sha256 = str(get_variant("mobile_sam").checkpoint.sha256)
    return replace(SUBJECT, checkpoint_sha256=sha256, torch=torch.__version__, engine=engine_version())


@pytest.fixture
def gates(here: GateSubject, tmp_path: Path) -> Path:
    """Gates: bf16 passed, fp16 failed, compiled fp16 passed with another engine."""
    write_gate(tmp_path / "gates", gate(here))
    write_gate(tmp_path / "gates", gate(replace(here, execution="fp16"), agreeing_share=0.5))
    write_gate(tmp_path / "gates", gate(replace(here, execution="fp16+compile", engine="another")))
    return tmp_path / "gates"


def test_list_names_the_passed_executions(gates: Path, tmp_path: Path) -> None:
    for option, folder in (("--gates-dir", gates), ("--state-dir", tmp_path)):
        rows = {row["name"]: row for row in json.loads(run("list", "--json", option, str(folder)))}
        assert rows["mobile_sam"]["gated"] == ["bf16"]
    assert " bf16 " in run("list", "--gates-dir", str(gates))


def test_show_lists_every_gate_and_its_state(gates: Path, tmp_path: Path) -> None:
    shown = json.loads(run("show", "mobile_sam", "--json", "--gates-dir", str(gates)))
    states = {found["subject"]["execution"]: found["state"] for found in shown["gates"]}
    assert states == {"bf16": "passed", "fp16": "failed", "fp16+compile": "outdated: different engine"}
    table = run("show", "mobile_sam", "--gates-dir", str(gates))
    assert "outdated: different engine" in " ".join(table.split())
    assert "0.9800" in table
    assert "No gates measured here" in run("show", "mobile_sam", "--state-dir", str(tmp_path / "none"))


def test_a_gate_is_void_with_another_torch_or_other_weights(here: GateSubject, tmp_path: Path) -> None:
    write_gate(tmp_path, gate(replace(here, torch="1.0", checkpoint_sha256="0" * 64)))
    shown = json.loads(run("show", "mobile_sam", "--json", "--gates-dir", str(tmp_path)))
    assert [found["state"] for found in shown["gates"]] == ["outdated: different weights and torch"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nope", "--precision", "bf16"), "known are "),
        (("mobile_sam", "--precision", "int4"), "one of fp32, bf16, fp16, tf32, tf32x3, bf16_products, bf16_kernels"),
        (("mobile_sam", "--precision", "int8", "--compilation", "compile"), "int8 cannot be combined with compile"),
        (("mobile_sam", "--compilation", "jit"), "one of none, compile, cuda_graphs"),
        (("mobile_sam", "--precision", "bf16", "--grid", "0"), "Invalid value for '--grid'"),
        (("mobile_sam", "--precision", "bf16", "--images", "nowhere"), "does not exist"),
    ],
)
def test_wrong_usage_is_refused(arguments: tuple[str, ...], message: str) -> None:
    assert message in " ".join(run("gate", *arguments, code=2).replace("│", " ").split())


def test_the_measurement_runs_in_a_separate_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    write_scenes(tmp_path / "images", 4)
    wanted = GateRun("mobile_sam", Execution("bf16"), tmp_path, tmp_path / "gates", tmp_path / "images")
    assert run_gate(wanted) == 1
    assert f"{tmp_path / 'images'} holds 4 images; a gate needs 5 or more" in capfd.readouterr().err


def test_the_photographs_of_the_demo_are_measured_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[list[str], set[str], str, str]] = []

    def record_call(command: list[str], *, env: dict[str, str], check: bool) -> CompletedProcess[Any]:
        images = Path(command[command.index("--images") + 1])
        seen.append(
            (command, {path.name for path in images.iterdir()}, env["OMP_WAIT_POLICY"], env["TORCHINDUCTOR_CACHE_DIR"])
        )
        return CompletedProcess(command, 0)

    monkeypatch.setattr("samfleet_cli.model_tools.subprocess.run", record_call)
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    run("gate", "mobile_sam", "--precision", "bf16", "--grid", "8", "--state-dir", str(tmp_path), "--json")
    ((command, names, policy, compiled),) = seen
    assert {"chelsea.png", "rocket.jpg"} <= names
    assert command[1:8] == [
        "-m",
        "samfleet_models.tools.gate",
        "mobile_sam",
        "--precision",
        "bf16",
        "--compilation",
        "none",
    ]
    assert command[-3:] == ["--grid", "8", "--json"]
    assert command[command.index("--gates-dir") + 1] == str(tmp_path / "gates")
    assert policy == "PASSIVE"
    assert compiled == str(tmp_path / "compiled" / "inductor")  # where the stack looks for compiled encoders
