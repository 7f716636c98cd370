from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from typer.testing import CliRunner

from samfleet_cli import model_tools
from samfleet_cli.main import app
from samfleet_cli.model_tools import run_distill

GIVEN = ["distill", "squeezesam", "--teacher", "mobile_sam", "--images", "photos", "--out", "mine"]


def test_the_command_passes_its_options_on(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[tuple[Sequence[str], Mapping[str, str]]] = []

    def run(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
        found.append((arguments, environment))
        return 3

    monkeypatch.setattr(model_tools, "run_distill", run)
    options = ["--epochs", "2", "--max-minutes", "5", "--amp", "--accept-licenses", "S-Lab-1.0"]
    assert CliRunner().invoke(app, [*GIVEN, *options, "--state-dir", "state"]).exit_code == 3
    ((arguments, environment),) = found
    assert arguments[0] == "squeezesam"
    assert {"--teacher=mobile_sam", "--epochs=2", "--max-minutes=5.0", "--amp", "--weights-dir=state/weights"} <= set(
        arguments
    )
    assert not [word for word in arguments if word.startswith(("--name", "--patience", "--input-size"))]
    assert environment["SAMFLEET_ACCEPT_LICENSES"] == "S-Lab-1.0"


def test_without_torch_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_tools, "installed_version", lambda _: None)
    with pytest.raises(model_tools.TorchNotInstalled, match="needs torch"):
        run_distill([], {})
