from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from samfleet_cli.local_stack.child import BackOff, Child
from samfleet_cli.local_stack.part import PartSpec, PartState

SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")


class Answers:
    def __init__(self, *answers: bool) -> None:
        self.answers = iter(answers)

    def is_ready(self) -> bool:
        return next(self.answers)


@pytest.fixture
def children() -> Iterator[list[Child]]:
    started: list[Child] = []
    yield started
    for child in started:
        child.kill()


def _child(spec: PartSpec, folder: Path, children: list[Child]) -> Child:
    children.append(Child(spec, folder / "part.log", folder, BackOff()))
    return children[-1]


def _until_ended(child: Child, now: float) -> None:
    deadline = time.monotonic() + 30
    while child.is_running:
        assert time.monotonic() < deadline
        child.observe(now)


def test_a_program_that_is_not_there_is_tried_again_later(tmp_path: Path, children: list[Child]) -> None:
    child = _child(PartSpec("part", ("/no/such/program",)), tmp_path, children)

    child.start(100.0)

    assert (child.state, child.status.last_exit, child.next_start) == (PartState.RESTARTING, 127, 100.5)
    assert "/no/such/program" in (tmp_path / "part.log").read_text(encoding="utf-8")


def test_a_one_shot_part_is_ready_when_it_has_ended_well(tmp_path: Path, children: list[Child]) -> None:
    child = _child(PartSpec("part", ("true",), one_shot=True), tmp_path, children)

    child.start(0.0)
    _until_ended(child, 0.0)

    assert (child.state, child.status.last_exit, child.is_settled) == (PartState.READY, 0, True)


def test_a_long_running_part_that_ends_well_is_started_again(tmp_path: Path, children: list[Child]) -> None:
    child = _child(PartSpec("part", ("true",)), tmp_path, children)

    child.start(0.0)
    _until_ended(child, 0.0)

    assert child.state is PartState.RESTARTING


def test_a_part_that_no_longer_answers_is_starting_again(tmp_path: Path, children: list[Child]) -> None:
    child = _child(PartSpec("part", SLEEP, readiness=Answers(False, True, False)), tmp_path, children)
    child.start(0.0)

    states = []
    for now in (0.0, 0.1, 0.3, 5.2, 5.4):
        child.observe(now)
        states.append(child.state)

    assert states == [PartState.STARTING, PartState.STARTING, PartState.READY, PartState.READY, PartState.STARTING]


def test_a_long_log_is_set_aside_while_the_part_goes_on(
    tmp_path: Path, children: list[Child], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samfleet_cli.local_stack.child._LOG_BYTES", 4)
    child = _child(PartSpec("part", SLEEP, readiness=Answers(True, True)), tmp_path, children)
    (tmp_path / "part.log").write_text("long enough")
    child.start(0.0)
    child.observe(0.0)
    assert (tmp_path / "part.log").read_text() == ""
    assert (tmp_path / "part.log.1").read_text() == "long enough"
    assert child.is_running


def test_what_a_killed_part_leaves_is_removed(tmp_path: Path, children: list[Child]) -> None:
    left, kept = tmp_path / "region-1", tmp_path / "other"
    child = _child(PartSpec("part", SLEEP, leaves=(tmp_path, "region-*")), tmp_path, children)
    child.start(0.0)
    assert child.identity is not None
    left.touch()
    kept.touch()

    os.kill(child.identity.pid, signal.SIGKILL)
    _until_ended(child, 0.0)
    child.start(1.0)

    assert not left.exists()
    assert kept.exists()
    assert (child.status.restarts, child.status.last_exit) == (1, -signal.SIGKILL)

    left.touch()
    child.kill()
    assert not left.exists()
