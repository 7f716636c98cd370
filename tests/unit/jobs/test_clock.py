"""The steps of a job read no clock of their process: a worker's clock may jump by hours."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import samfleet.jobs

FOLDER = Path(samfleet.jobs.__file__).parent
WALL_CLOCKS = {("datetime", "now"), ("datetime", "utcnow"), ("time", "time"), ("date", "today")}


def wall_clocks(source: str) -> list[int]:
    """Return the lines that read the wall clock of the process."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute))
    return sorted(
        node.lineno for node in calls if isinstance(node.value, ast.Name) and (node.value.id, node.attr) in WALL_CLOCKS
    )


@pytest.mark.parametrize("module", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_a_step_of_a_job_reads_only_the_clock_of_the_database(module: Path) -> None:
    assert wall_clocks(module.read_text("utf-8")) == []


def test_a_wall_clock_would_be_noticed() -> None:
    assert wall_clocks("old = datetime.now(UTC) - grace\nat = time.monotonic()\nthen = time.time()\n") == [1, 3]
