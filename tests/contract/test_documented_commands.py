"""Every `samfleet` and `make` command in the documentation exists, with every option shown."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from samfleet_cli.main import app

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND = re.compile(r"^\s*(?:\$ )?(samfleet|make) ([^#|]+)")


def code_lines(text: str) -> list[str]:
    """Return the lines of fenced and indented code blocks."""
    lines, fenced = [], False
    for line in text.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            lines.append(line)
    return lines


def shown() -> list[tuple[str, str, str]]:
    return [
        (document.name, found[1], found[2].strip())
        for document in DOCUMENTS
        for line in code_lines(document.read_text())
        if (found := COMMAND.match(line))
    ]


def command_of(words: list[str]) -> Any:
    command: Any = typer.main.get_command(app)
    for word in words:
        if not hasattr(command, "commands"):
            break
        assert word in command.commands, f"there is no command {word!r}"
        command = command.commands[word]
    return command


def test_the_documentation_shows_commands() -> None:
    assert {program for _, program, _ in shown()} == {"samfleet", "make"}


@pytest.mark.parametrize(("document", "words"), [(d, w) for d, program, w in shown() if program == "samfleet"])
def test_every_documented_samfleet_command_exists(document: str, words: str) -> None:
    parts = shlex.split(words)
    options = {part.partition("=")[0] for part in parts if re.match(r"--?[a-z]", part)}
    command = command_of([part for part in parts if not part.startswith("-")])
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    assert options <= known | {"--help", "--version"}, f"{document}: {words}"


@pytest.mark.parametrize(("document", "words"), [(d, w) for d, program, w in shown() if program == "make"])
def test_every_documented_make_target_exists(document: str, words: str) -> None:
    verbs = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert words.split(maxsplit=1)[0] in verbs, f"{document}: make {words}"
