"""Steps of the supervisor over small processes, with a clock that the test sets."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from samfleet_cli.local_stack import processes
from samfleet_cli.local_stack.child import BackOff, Child, supervision
from samfleet_cli.local_stack.part import Answer, PartSpec, PartState
from samfleet_cli.local_stack.stuck import StuckProcesses
from samfleet_cli.local_stack.supervisor import Supervisor

SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
time.sleep(600)
"""
PATIENCE_SECONDS = 30


class Ready:
    def ask(self) -> Answer:
        return Answer.READY


class Breaks:
    """A check whose library raises an unforeseen exception."""

    def ask(self) -> Answer:
        raise RuntimeError("Error 111 connecting to 127.0.0.1: refused")


@pytest.fixture
def supervise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Supervisor]]:
    """A supervisor with started parts; it does not reap other children of this process."""
    monkeypatch.setattr(processes, "reap_others", lambda _leaders: None)
    made: list[Supervisor] = []

    def make(*specs: PartSpec, on_change: Callable[[Sequence[Child]], None] = lambda _children: None) -> Supervisor:
        supervisor = Supervisor(
            specs,
            state_dir=tmp_path,
            logs=tmp_path,
            on_change=on_change,
            back_off=BackOff(first_seconds=0.0),
            stuck=StuckProcesses(stopped_seconds=4.0, dead_seconds=4.0),
        )
        made.append(supervisor)
        supervisor._step(0.0)
        return supervisor

    yield make
    for supervisor in made:
        for child in supervisor.children:
            child.kill()
        supervisor._end_strays()


def pid_of(supervisor: Supervisor, index: int = 0) -> int:
    identity = supervisor.children[index].identity
    assert identity is not None
    return identity.pid


def step_until(supervisor: Supervisor, now: float, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        supervisor._step(now)


def child_of(pid: int) -> psutil.Process:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := psutil.Process(pid).children()):
        assert time.monotonic() < deadline
    return found[0]


def wait_state(process: psutil.Process, status: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while process.status() != status:
        assert time.monotonic() < deadline


def test_a_check_that_breaks_leaves_the_other_parts_supervised(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(PartSpec("broken", SLEEP, readiness=Breaks()), PartSpec("good", SLEEP, readiness=Ready()))
    good = pid_of(supervisor, 1)
    step_until(supervisor, 1.0, lambda: supervisor.children[1].state is PartState.READY)
    assert supervisor.children[0].state is PartState.STARTING
    os.kill(good, signal.SIGKILL)
    step_until(supervisor, 2.0, lambda: supervisor.children[1].status.restarts == 1)
    assert pid_of(supervisor, 1) != good


def test_an_unwritable_log_leaves_the_other_parts_supervised(
    supervise: Callable[..., Supervisor],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervision, "disabled", False)  # another test's command may have configured logging
    monkeypatch.setattr(supervision, "handlers", [caplog.handler])
    caplog.set_level(logging.INFO, logger=supervision.name)
    (tmp_path / "mute.log").mkdir()
    supervisor = supervise(PartSpec("mute", SLEEP), PartSpec("good", SLEEP, readiness=Ready()))
    step_until(supervisor, 1.0, lambda: supervisor.children[1].state is PartState.READY)
    assert supervisor.children[0].status.last_exit == 127
    assert "mute: cannot run" in caplog.text


def test_a_state_file_that_cannot_be_written_is_written_later(supervise: Callable[..., Supervisor]) -> None:
    told: list[PartState] = []
    full = [OSError(28, "No space left on device")]

    def on_change(children: Sequence[Child]) -> None:
        if full:
            raise full.pop()
        told.append(children[0].state)

    supervisor = supervise(PartSpec("part", SLEEP, readiness=Ready()), on_change=on_change)
    step_until(supervisor, 1.0, lambda: told[-1:] == [PartState.READY])


def test_a_stopped_part_is_killed_and_restarted(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(PartSpec("part", SLEEP))
    stopped = pid_of(supervisor)
    os.kill(stopped, signal.SIGSTOP)
    wait_state(psutil.Process(stopped), psutil.STATUS_STOPPED)
    supervisor._step(10.0)
    supervisor._step(13.0)
    assert pid_of(supervisor) == stopped
    step_until(supervisor, 15.5, lambda: supervisor.children[0].status.restarts == 1)
    assert supervisor.children[0].status.last_exit == -signal.SIGKILL


def test_only_the_stopped_child_process_of_a_part_is_killed(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(PartSpec("part", (sys.executable, "-c", PARENT)))
    leader = pid_of(supervisor)
    below = child_of(leader)
    below.suspend()
    wait_state(below, psutil.STATUS_STOPPED)
    for now in (10.0, 15.0):
        supervisor._step(now)
    wait_state(below, psutil.STATUS_ZOMBIE)  # its parent does not notice, and need not
    for now in (20.0, 25.0, 30.0):
        supervisor._step(now)
    assert pid_of(supervisor) == leader


def test_a_part_that_needs_its_children_is_killed_when_one_dies(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(PartSpec("part", (sys.executable, "-c", PARENT), needs_children=True))
    leader = pid_of(supervisor)
    child_of(leader).kill()
    wait_state(child_of(leader), psutil.STATUS_ZOMBIE)
    supervisor._step(10.0)
    assert pid_of(supervisor) == leader
    step_until(supervisor, 15.0, lambda: supervisor.children[0].status.restarts == 1)
    assert "died and it does not start another" in (supervisor._logs / "part.log").read_text()
