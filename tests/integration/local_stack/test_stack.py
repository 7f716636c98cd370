"""The supervisor with the real PostgreSQL and Redis, under every kind of kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from fixtures.waiting import until
from samfleet.process_identity import ProcessIdentity, identify
from samfleet_cli.local_stack.layout import StateDir
from samfleet_cli.local_stack.leftovers import leftovers
from samfleet_cli.local_stack.lock import StackAlreadyRuns
from samfleet_cli.local_stack.part import PartState, PartStatus
from samfleet_cli.local_stack.processes import descendants, end
from samfleet_cli.local_stack.stack import (
    StackDidNotStart,
    StackStatus,
    explain_failure,
    running_stack,
    stack_status,
    start_stack,
    stop_stack,
)
from samfleet_cli.local_stack.state import StackInfo

SMALL_STACK = Path(__file__).resolve().parents[2] / "fixtures" / "servers" / "small_stack.py"
Supervisor = subprocess.Popen[bytes]


@pytest.fixture
def state_dir(tmp_path: Path) -> Iterator[Path]:
    """A state directory that PostgreSQL can enter as another account when the tests run as root; pytest closes its
    folders.
    """
    directory = tmp_path / "state"
    yield directory
    if directory.exists():
        end(leftovers(StateDir(directory)), grace_seconds=0)


@contextmanager
def supervised(state_dir: Path, *extras: str) -> Iterator[Supervisor]:
    with subprocess.Popen((sys.executable, "-P", str(SMALL_STACK), str(state_dir), *extras)) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()


def part(status: StackStatus, name: str) -> PartStatus:
    return next(part for part in status.parts if part.name == name)


def wait_ready(state_dir: Path) -> StackInfo:
    until(lambda: stack_status(state_dir).state == "running")
    info = running_stack(state_dir)
    assert info is not None
    return info


def plain_address(info: StackInfo) -> str:
    return info.database_url.replace("+psycopg", "")


def processes_of(supervisor: Supervisor) -> list[ProcessIdentity]:
    found = descendants(supervisor.pid)
    assert len(found) > 5  # Redis, the postmaster and its helpers
    return found


def test_all_parts_respond_and_termination_leaves_no_process(state_dir: Path) -> None:
    with supervised(state_dir) as supervisor:
        info = wait_ready(state_dir)
        with psycopg.connect(plain_address(info)) as connection:
            row = connection.execute("SELECT current_database(), current_setting('server_version_num')::int").fetchone()
        with redis.Redis.from_url(info.broker_url) as client:
            append_only = client.config_get("appendonly")
        started = processes_of(supervisor)

        supervisor.send_signal(signal.SIGTERM)

        assert supervisor.wait(30) == 0
    assert row is not None
    assert row[0] == "samfleet"
    assert row[1] >= 180_000
    assert append_only == {"appendonly": "yes"}
    assert not [process for process in started if process.is_alive()]
    assert stack_status(state_dir).state == "stopped"
    assert running_stack(state_dir) is None


@pytest.mark.parametrize("name", ["postgres", "redis"])
def test_a_killed_part_is_restarted_and_counted_in_the_status(state_dir: Path, name: str) -> None:
    with supervised(state_dir):
        info = wait_ready(state_dir)
        with psycopg.connect(plain_address(info)) as connection:
            connection.execute("CREATE TABLE kept (value int)")
            connection.execute("INSERT INTO kept VALUES (42)")
        killed = part(stack_status(state_dir), name)
        assert killed.pid is not None

        os.kill(killed.pid, signal.SIGKILL)
        until(lambda: part(stack_status(state_dir), name).restarts == 1)
        wait_ready(state_dir)

        again = part(stack_status(state_dir), name)
        assert (again.state, again.restarts, again.last_exit) == (PartState.READY, 1, -signal.SIGKILL)
        assert again.pid != killed.pid
        with psycopg.connect(plain_address(info)) as connection:
            assert connection.execute("SELECT value FROM kept").fetchone() == (42,)


def test_a_new_supervisor_recovers_the_stack_of_a_killed_one(state_dir: Path) -> None:
    with supervised(state_dir) as first:
        info = wait_ready(state_dir)
        with redis.Redis.from_url(info.broker_url) as client:
            client.set("kept", "yes")
            client.execute_command("BGREWRITEAOF")
        orphans = processes_of(first)
        first.kill()
        first.wait()
    assert [process for process in orphans if process.is_alive()]
    assert stack_status(state_dir).state == "degraded"
    assert stack_status(state_dir).supervisor_pid is None

    with supervised(state_dir) as second:
        until(lambda: stack_status(state_dir).supervisor_pid == second.pid)
        again = wait_ready(state_dir)

        assert not [process for process in orphans if process.is_alive()]
        assert (again.api_url, again.api_key) == (info.api_url, info.api_key)
        with redis.Redis.from_url(again.broker_url) as client:
            assert client.get("kept") == b"yes"
        started = processes_of(second)
        assert stop_stack(state_dir)
    assert not [process for process in started if process.is_alive()]


def test_stopping_ends_processes_left_by_a_killed_supervisor(state_dir: Path) -> None:
    with supervised(state_dir) as supervisor:
        wait_ready(state_dir)
        orphans = processes_of(supervisor)
        supervisor.kill()

    assert stop_stack(state_dir)
    assert not [process for process in orphans if process.is_alive()]
    assert not stop_stack(state_dir)


def test_a_second_supervisor_is_refused(state_dir: Path) -> None:
    with supervised(state_dir) as first:
        wait_ready(state_dir)

        second = subprocess.run(
            (sys.executable, "-P", str(SMALL_STACK), str(state_dir)), capture_output=True, text=True, check=False
        )

        assert second.returncode == 1
        assert f"supervisor {first.pid}" in second.stderr
        with pytest.raises(StackAlreadyRuns, match=str(first.pid)):
            start_stack(state_dir)
        assert stack_status(state_dir).state == "running"


def test_a_part_that_never_becomes_ready_fails_the_start(state_dir: Path) -> None:
    with supervised(state_dir, "crasher") as supervisor:
        assert supervisor.wait(60) == 1

    crasher = part(stack_status(state_dir), "crasher")
    assert (crasher.state, crasher.restarts, crasher.last_exit) == (PartState.FAILED, 4, 1)
    assert crasher.reason == "the crasher says no"
    assert explain_failure(state_dir).splitlines()[0] == (
        "the stack did not start because of crasher: crasher: the crasher says no"
    )
    assert "the crasher says no" in (state_dir / "logs" / "crasher.log").read_text(encoding="utf-8")
    assert leftovers(StateDir(state_dir)) == []


def test_a_supervisor_that_cannot_start_reports_the_reason(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMFLEET_API_PORT", "not a port")

    with pytest.raises(StackDidNotStart, match="api_port"):
        start_stack(state_dir)

    assert leftovers(StateDir(state_dir)) == []


def test_grandchildren_in_separate_sessions_end_with_their_part(state_dir: Path) -> None:
    with supervised(state_dir, "family"):
        wait_ready(state_dir)
        leader = part(stack_status(state_dir), "family").pid
        assert leader is not None
        until(lambda: len(descendants(leader)) == 1)
        grandchild = descendants(leader)[0]

        os.kill(leader, signal.SIGKILL)
        until(lambda: not psutil.pid_exists(grandchild.pid))  # not even as a zombie
        until(lambda: part(stack_status(state_dir), "family").restarts == 1)
        wait_ready(state_dir)
        second = part(stack_status(state_dir), "family").pid
        assert second is not None
        until(lambda: len(descendants(second)) == 1)
        grandchild = descendants(second)[0]
    assert not grandchild.is_alive()
    assert identify(second) is None
