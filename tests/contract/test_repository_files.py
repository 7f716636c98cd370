"""Files that other programs read: hooks of pre-commit, the workflow of CI, forms of issues."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))


def read(path: str | Path) -> Any:
    return yaml.safe_load((ROOT / path).read_text())


def hooks() -> list[dict[str, Any]]:
    [repository] = read(".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    found: list[dict[str, Any]] = repository["hooks"]
    return found


@pytest.mark.parametrize("hook", hooks(), ids=lambda hook: hook["id"])
def test_a_hook_of_pre_commit_downloads_nothing(hook: dict[str, Any]) -> None:
    program, *arguments = shlex.split(hook["entry"])
    assert hook["language"] == "system"
    assert program.startswith(".venv/bin/")
    assert all((ROOT / argument).is_file() for argument in arguments if argument.startswith("scripts/"))


def test_ci_runs_the_script_under_every_supported_python() -> None:
    jobs = read(".github/workflows/ci.yml")["jobs"]
    job = jobs["check-and-test"]
    assert ".ci/run" in [step.get("run") for step in job["steps"]]
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    low, beyond = map(int, re.findall(r"3\.(\d+)", needed))
    assert job["strategy"]["matrix"]["python"] == [f"3.{minor}" for minor in range(low, beyond)]


def test_actions_have_no_more_than_read_access() -> None:
    assert read(".github/workflows/ci.yml")["permissions"] == {"contents": "read"}


@pytest.mark.parametrize("form", [path for path in FORMS if path.name != "config.yml"], ids=lambda path: path.name)
def test_a_form_of_issues_has_what_github_requires(form: Path) -> None:
    content = read(form)
    assert content["name"]
    assert content["description"]
    fields = [element for element in content["body"] if element["type"] != "markdown"]
    assert all(element["attributes"]["label"] for element in fields)
    identifiers = [element["id"] for element in fields]
    assert len(set(identifiers)) == len(identifiers)


@pytest.mark.parametrize("name", ["typos", "pre-commit", "pre-commit-hooks"])
def test_the_tools_of_the_hooks_are_pinned_alike(name: str) -> None:
    pinned = re.search(rf"^{name}==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert pinned
    assert f'"{name}=={pinned[1]}"' in (ROOT / "pyproject.toml").read_text()


def test_every_example_is_run_by_a_test() -> None:
    examples = {
        path.name for path in (ROOT / "examples").rglob("*") if path.is_file() and path.suffix not in {".md", ".pyc"}
    }
    assert len(examples) >= 5
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert {name for name in examples if f'"{name}"' not in tests and f'/{name}"' not in tests} == set()
