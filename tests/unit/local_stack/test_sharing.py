"""Shared use of one stack by several commands, over a supervisor that only holds its lock."""

from __future__ import annotations

import stat
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from samfleet.process_identity import ProcessIdentity
from samfleet_cli.local_stack import lock, sharing
from samfleet_cli.local_stack.layout import StateDir
from samfleet_cli.local_stack.sharing import is_temporary, stack_for, using
from samfleet_cli.local_stack.state import StackInfo, StackState, write_state


class Stacks:
    """Functions that start and stop a stack; `events` records their order."""

    def __init__(self, root: Path) -> None:
        self.layout = StateDir(root)
        self.info = StackInfo(root, "http://127.0.0.1:1", "key", "", "", "", {})
        self.events: list[str] = []
        self._held = ExitStack()

    def start(self, *_: object) -> StackInfo:
        self.layout.create()
        identity: ProcessIdentity = self._held.enter_context(lock.supervise(self.layout.lock_file))
        write_state(self.layout.state_file, StackState(identity, self.info, {}, []))
        self.events.append("started")
        return self.info

    def stop(self, *_: object) -> bool:
        self._held.close()
        self.events.append("stopped")
        return True


@pytest.fixture
def stacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stacks]:
    stacks = Stacks(tmp_path / "state")
    monkeypatch.setattr(sharing, "prepare_start", lambda *_: None)
    monkeypatch.setattr(sharing, "start_stack", stacks.start)
    monkeypatch.setattr(sharing, "stop_stack", stacks.stop)
    yield stacks
    stacks.stop()


def used(stacks: Stacks) -> ExitStack:
    held = ExitStack()
    held.enter_context(stack_for(stacks.layout.root, lambda _parts: None, lambda _text: None))
    return held


def test_a_started_stack_stops_with_its_only_user(stacks: Stacks) -> None:
    with used(stacks):
        assert is_temporary(stacks.layout.root)
        assert stacks.events == ["started"]
        mine = (stacks.layout.users_file, stacks.layout.starting_file, stacks.layout.temporary_file)
        assert {stat.S_IMODE(file.stat().st_mode) for file in mine} == {0o600}
    assert stacks.events == ["started", "stopped"]
    assert not is_temporary(stacks.layout.root)


@pytest.mark.parametrize("first_out", [0, 1])
def test_a_started_stack_stops_with_its_last_user(stacks: Stacks, first_out: int) -> None:
    both = [used(stacks), used(stacks)]
    both[first_out].close()
    assert stacks.events == ["started"]
    both[1 - first_out].close()
    assert stacks.events == ["started", "stopped"]


def test_a_command_that_only_uses_the_stack_keeps_it_running_too(stacks: Stacks) -> None:
    starter = used(stacks)
    with using(stacks.layout.root, lambda _text: None):
        starter.close()
        assert stacks.events == ["started"]
    assert stacks.events == ["started", "stopped"]


def test_users_never_stop_a_permanent_stack(stacks: Stacks) -> None:
    stacks.start()
    with stack_for(stacks.layout.root, lambda _parts: None, lambda _text: None) as stack:
        assert not stack.temporary
    assert stacks.events == ["started"]


def test_a_mark_of_an_earlier_stack_does_not_make_a_later_one_temporary(stacks: Stacks) -> None:
    with used(stacks):
        mark = stacks.layout.temporary_file.read_text()
    stacks.start()
    stacks.layout.temporary_file.write_text(mark.replace('"pid": ', '"pid": 1'))
    assert not is_temporary(stacks.layout.root)


def test_an_error_in_a_command_ends_its_use_of_the_stack(stacks: Stacks) -> None:
    with pytest.raises(KeyboardInterrupt), used(stacks):
        raise KeyboardInterrupt
    assert stacks.events == ["started", "stopped"]


def test_two_commands_at_once_start_one_stack(stacks: Stacks) -> None:
    meet = threading.Barrier(2)

    def use() -> None:
        with used(stacks):
            meet.wait(20)

    threads = [threading.Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stacks.events == ["started", "stopped"]


def test_nothing_is_written_without_a_state_directory(tmp_path: Path) -> None:
    with using(tmp_path / "none", lambda _text: None):
        pass
    assert not (tmp_path / "none").exists()
