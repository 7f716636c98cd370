from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from samfleet_cli.local_stack.child import BackOff, Child
from samfleet_cli.local_stack.part import FOR_GOOD, Answer, NeverReady, PartSpec, PartState

SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")


READY, BUSY, SILENT = Answer.READY, Answer.BUSY, Answer.SILENT


class Answers:
    """A readiness check that returns the given results in order and repeats the last one; exceptions are raised."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self.answers = list(answers)

    def ask(self) -> Answer:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def at_once(work: Callable[[], None]) -> None:
    work()


@pytest.fixture
def children() -> Iterator[list[Child]]:
    started: list[Child] = []
    yield started
    for child in started:
        child.kill()


def _child(spec: PartSpec, folder: Path, children: list[Child]) -> Child:
    children.append(Child(spec, folder / "part.log", folder, BackOff(), run_check=at_once))
    return children[-1]


def _until_ended(child: Child, now: float) -> None:
    deadline = time.monotonic() + 30
    while child.is_running:
        assert time.monotonic() < deadline
        child.observe(now)


def test_a_missing_program_is_retried_later(tmp_path: Path, children: list[Child]) -> None:
    child = _child(PartSpec("part", ("/no/such/program",)), tmp_path, children)

    child.start(100.0)

    assert (child.state, child.status.last_exit, child.next_start) == (PartState.RESTARTING, 127, 100.5)
    assert "/no/such/program" in (tmp_path / "part.log").read_text(encoding="utf-8")


def test_a_one_shot_part_is_ready_after_exit_code_0(tmp_path: Path, children: list[Child]) -> None:
    child = _child(PartSpec("part", ("true",), one_shot=True), tmp_path, children)

    child.start(0.0)
    _until_ended(child, 0.0)

    assert (child.state, child.status.last_exit, child.is_settled) == (PartState.READY, 0, True)


def test_a_long_running_part_is_restarted_after_exit_code_0(tmp_path: Path, children: list[Child]) -> None:
    child = _child(PartSpec("part", ("true",)), tmp_path, children)

    child.start(0.0)
    _until_ended(child, 0.0)

    assert child.state is PartState.RESTARTING


def test_an_unresponsive_part_is_in_state_starting(tmp_path: Path, children: list[Child]) -> None:
    child = _child(PartSpec("part", SLEEP, readiness=Answers(SILENT, READY, SILENT)), tmp_path, children)
    child.start(0.0)

    states = []
    for now in (0.0, 0.1, 0.3, 5.2, 5.4):
        child.observe(now)
        states.append(child.state)

    assert states == [PartState.STARTING, PartState.STARTING, PartState.READY, PartState.READY, PartState.STARTING]


def test_a_long_log_is_rotated_while_the_part_runs(
    tmp_path: Path, children: list[Child], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samfleet_cli.local_stack.child._LOG_BYTES", 4)
    child = _child(PartSpec("part", SLEEP, readiness=Answers(READY)), tmp_path, children)
    (tmp_path / "part.log").write_text("long enough")
    child.start(0.0)
    child.observe(0.0)
    assert (tmp_path / "part.log").read_text() == ""
    assert (tmp_path / "part.log.1").read_text() == "long enough"
    assert child.is_running


def test_files_left_by_a_killed_part_are_removed(tmp_path: Path, children: list[Child]) -> None:
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


def _states(child: Child, *times: float, can_answer: bool = True) -> list[PartState]:
    states = []
    for now in times:
        child.observe(now, can_answer=can_answer)
        states.append(child.state)
    return states


def test_a_check_that_raises_means_not_ready_and_is_logged_once(
    tmp_path: Path, children: list[Child], caplog: pytest.LogCaptureFixture
) -> None:
    answers = Answers(ConnectionError("closed by server"), ConnectionError("closed by server"), READY)
    child = _child(PartSpec("part", SLEEP, readiness=answers), tmp_path, children)
    child.start(0.0)
    with caplog.at_level(logging.ERROR):
        assert _states(child, 0.0, 0.3, 0.6) == [PartState.STARTING, PartState.STARTING, PartState.READY]
    assert [record.getMessage() for record in caplog.records] == [
        "the readiness check of part raised; the part counts as not ready"
    ]


@pytest.mark.parametrize("stopped", [False, True])
def test_a_hanging_part_is_killed_and_restarted(tmp_path: Path, children: list[Child], *, stopped: bool) -> None:
    child = _child(PartSpec("part", SLEEP, readiness=Answers(READY, SILENT), hang_seconds=20), tmp_path, children)
    child.start(0.0)
    assert child.identity is not None
    if stopped:
        os.kill(child.identity.pid, signal.SIGSTOP)

    _states(child, 0.0, 5.1, 15.0, 25.0)
    assert child.is_running
    _states(child, 25.2)
    _until_ended(child, 26.0)

    assert (child.state, child.status.last_exit) == (PartState.RESTARTING, -signal.SIGKILL)
    assert "killed, because it did not respond for 20 s" in (tmp_path / "part.log").read_text(encoding="utf-8")


def test_a_part_that_never_responds_is_killed_after_its_start_time(tmp_path: Path, children: list[Child]) -> None:
    spec = PartSpec("part", SLEEP, readiness=Answers(SILENT), hang_seconds=20, start_seconds=100)
    child = _child(spec, tmp_path, children)
    child.start(0.0)
    _states(child, 0.0, 99.0)
    assert child.is_running
    _states(child, 100.0)
    _until_ended(child, 101.0)
    assert child.status.last_exit == -signal.SIGKILL


def test_a_part_that_reports_not_ready_is_not_killed(tmp_path: Path, children: list[Child]) -> None:
    child = _child(PartSpec("part", SLEEP, readiness=Answers(READY, BUSY), hang_seconds=20), tmp_path, children)
    child.start(0.0)
    assert _states(child, 0.0, 10.0, 1000.0, 10_000.0)[1:] == [PartState.STARTING] * 3
    assert child.is_running


def test_a_part_is_not_killed_while_its_dependencies_are_down(tmp_path: Path, children: list[Child]) -> None:
    child = _child(PartSpec("part", SLEEP, readiness=Answers(READY, SILENT), hang_seconds=20), tmp_path, children)
    child.start(0.0)
    _states(child, 0.0)
    _states(child, 5.1, 100.0, 200.0, can_answer=False)
    _states(child, 201.0, 220.0)  # its time starts when its dependencies are back
    assert child.is_running
    _states(child, 221.1)
    _until_ended(child, 222.0)


def test_a_check_that_never_returns_counts_as_no_response(tmp_path: Path, children: list[Child]) -> None:
    spec = PartSpec("part", SLEEP, readiness=Answers(READY), hang_seconds=20)
    runs: list[Callable[[], None]] = []
    child = Child(spec, tmp_path / "part.log", tmp_path, BackOff(), run_check=runs.append)
    children.append(child)
    child.start(0.0)
    _states(child, 0.0)
    runs[0]()
    assert _states(child, 0.1, 5.2, 15.0, 15.3) == [
        PartState.READY,
        PartState.READY,
        PartState.READY,
        PartState.STARTING,
    ]
    assert child.is_running
    _states(child, 35.4)
    _until_ended(child, 36.0)


def test_a_delayed_supervisor_kills_no_part(tmp_path: Path, children: list[Child]) -> None:
    child = _child(
        PartSpec("part", SLEEP, readiness=Answers(READY, SILENT, READY), hang_seconds=20), tmp_path, children
    )
    child.start(0.0)
    assert _states(child, 0.0, 3600.0, 3600.3) == [PartState.READY, PartState.STARTING, PartState.READY]
    assert child.is_running


def test_a_part_that_can_never_become_ready_fails_at_once(tmp_path: Path, children: list[Child]) -> None:
    never = NeverReady("Triton cannot load mobile_sam: no compiler")
    child = _child(PartSpec("part", SLEEP, readiness=Answers(SILENT, never)), tmp_path, children)
    child.start(0.0)
    for now in (0.0, 0.3, 0.6):
        child.observe(now)
    assert (child.state, child.status.reason) == (PartState.FAILED, never.message)
    assert never.message in (tmp_path / "part.log").read_text()


def test_a_ready_part_stays_ready_when_a_later_check_says_never_ready(tmp_path: Path, children: list[Child]) -> None:
    child = _child(PartSpec("part", SLEEP, readiness=Answers(READY, NeverReady("one model less"))), tmp_path, children)
    child.start(0.0)
    for now in (0.0, 6.0, 6.1):
        child.observe(now)
    assert (child.state, child.status.reason) == (PartState.READY, None)


def test_a_part_that_exits_for_good_is_not_restarted(tmp_path: Path, children: list[Child]) -> None:
    program = f"import sys; print('first'); print('the reason [code]\\n'); sys.exit({FOR_GOOD})"
    child = _child(PartSpec("part", (sys.executable, "-c", program), one_shot=True), tmp_path, children)
    child.start(0.0)
    _until_ended(child, 0.0)
    assert (child.state, child.status.reason, child.status.restarts) == (PartState.FAILED, "the reason [code]", 0)
