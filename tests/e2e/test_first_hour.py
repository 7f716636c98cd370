"""The commands of "The first hour on one machine" in docs/operations.md, in their order, on the whole stack."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from fixtures.images.scenes import write_scenes
from fixtures.servers.running_stack import FIXED, Samfleet

pytestmark = pytest.mark.heavy  # half a minute of commands

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
HEADING = "### The first hour on one machine\n"
OF_THE_STACK = {"up", "down"}  # the fixture starts and stops it


def commands() -> list[list[str]]:
    section = DOCUMENT.read_text(encoding="utf-8").partition(HEADING)[2].partition("\n### ")[0]
    return [shlex.split(line)[1:] for line in re.findall(r"^samfleet .*$", section, re.MULTILINE)]


def test_every_command_of_the_first_hour_works(samfleet: Samfleet, tmp_path: Path) -> None:
    images = write_scenes(tmp_path / "photographs", 2)[0].parent
    replaced = {"~/photographs": str(images), "first": str(tmp_path / "first"), "mobile_sam": FIXED}
    shown = commands()
    assert [words[0] for words in shown[:4]] == ["doctor", "up", "status", "segment"]
    for words in shown:
        if words[0] in OF_THE_STACK or words[:2] == ["variants", "pull"]:
            continue  # the pull needs the internet
        done = samfleet(*(replaced.get(word, word) for word in words))
        assert done.exit_code == 0, f"{shlex.join(words)}\n{done.stdout}\n{done.stderr}"
    assert (tmp_path / "first" / "summary.json").exists()


@pytest.mark.parametrize("words", [words for words in commands() if words[:2] == ["variants", "pull"]])
def test_the_variants_that_it_pulls_exist(samfleet: Samfleet, words: list[str]) -> None:
    for variant in words[2:]:
        assert samfleet("variants", "show", variant).exit_code == 0
