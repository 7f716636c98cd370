from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from scripts import check_dashboard
from scripts.check_dashboard import ROOT, is_installed, main

DASHBOARD = Path("services", "samfleet_api", "dashboard")
CONFIGURATION = ("package.json", "package-lock.json", "tsconfig.json", "biome.json")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the files that are checked, with a link to the installed tools."""
    for name in CONFIGURATION:
        shutil.copyfile(ROOT / name, tmp_path / name)
    for name in ("static", "types"):
        shutil.copytree(ROOT / DASHBOARD / name, tmp_path / DASHBOARD / name)
    return tmp_path


@pytest.fixture
def installed_checkout(checkout: Path) -> Path:
    if not is_installed(ROOT):
        assert not os.environ.get("CI"), "make setup has not installed TypeScript and Biome"
        pytest.skip("TypeScript and Biome are not installed; make setup installs them where npm's registry answers")
    (checkout / "node_modules").symlink_to(ROOT / "node_modules")
    return checkout


@pytest.fixture(params=[None, "true"], ids=["locally", "in CI"])
def ci(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.delenv("CI", raising=False)
    if request.param:
        monkeypatch.setenv("CI", request.param)
    return bool(request.param)


TYPE_ERRORS = """
import { missing } from "/dashboard/static/stages.js";

export const argument = count("1");
/** @param {Api.Job} job */
export const field = (job) => missing(job.no_such_field);
"""
LINT_ERRORS = """
export const quotes = 'single';
const unused = 1;
debugger;
"""


@pytest.mark.parametrize(
    ("code", "findings"),
    [
        (
            TYPE_ERRORS,
            ["no exported member 'missing'", "not assignable to parameter of type 'number'", "'no_such_field'"],
        ),
        (LINT_ERRORS, ["lint/suspicious/noDebugger", "lint/correctness/noUnusedVariables", "Formatter would"]),
    ],
    ids=["types", "lint"],
)
def test_an_error_in_a_script_fails_the_check(
    installed_checkout: Path, code: str, findings: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    script = installed_checkout / DASHBOARD / "static" / "format.js"
    script.write_text(f"{script.read_text()}{code}")
    assert main([], installed_checkout) == 1
    output = "".join(capfd.readouterr())
    assert "dashboard/static/format.js" in output
    assert [finding for finding in findings if finding not in output] == []


def test_without_npm_the_check_passes_except_in_ci(
    checkout: Path, ci: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check_dashboard, "_environment", lambda: {"PATH": str(checkout)})
    assert main([], checkout) == int(ci)
    assert capsys.readouterr().err == "The dashboard's scripts are not checked: node is missing.\n"


def test_without_a_registry_the_check_says_so_and_passes(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if shutil.which("npm", path=check_dashboard._environment()["PATH"]) is None:
        pytest.skip("npm is missing")
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    monkeypatch.setenv("npm_config_cache", str(checkout / "cache"))
    assert main([], checkout) == 0
    problem = capsys.readouterr().err
    assert problem.startswith("The dashboard's scripts are not checked: npm cannot install TypeScript and Biome (")
    assert problem.count("\n") == 1
    assert not is_installed(checkout)
