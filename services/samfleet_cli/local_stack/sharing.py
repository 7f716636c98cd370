"""Sharing of a stack by several commands. A temporary stack, started by one of them, ends with its last user.

Each user holds a shared flock while it uses the stack; the kernel releases it when the process ends. A user that ends
tries to get the lock exclusively and, if it succeeds, stops a temporary stack. A new user waits for that and then
starts another stack.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from samfleet_cli.local_stack import lock
from samfleet_cli.local_stack.layout import StateDir
from samfleet_cli.local_stack.stack import (
    PartsListener,
    prepare_start,
    running_stack,
    start_stack,
    stop_stack,
    wait_until_ready,
)
from samfleet_cli.local_stack.state import StackInfo

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class UsedStack:
    """A stack in use. `temporary`: it ends with its last user."""

    info: StackInfo
    temporary: bool


@contextmanager
def using(state_dir: Path, say: Say) -> Iterator[None]:
    """Register as a user of this directory's stack, whether it is running or not."""
    layout = StateDir(state_dir.resolve())
    if not layout.root.is_dir():
        yield
        return
    with _opened(layout.users_file) as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        try:
            yield
        finally:
            if is_temporary(state_dir) and _is_last(file):
                say("stopping the stack")
                stop_stack(state_dir)
                layout.temporary_file.unlink(missing_ok=True)


@contextmanager
def stack_for(state_dir: Path, on_change: PartsListener, say: Say) -> Iterator[UsedStack]:
    """Yield the stack of this directory, starting a temporary one if needed. It is stopped when its last user ends."""
    layout = StateDir(state_dir.resolve())
    layout.create()
    with using(state_dir, say):
        with _opened(layout.starting_file) as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # two concurrent commands start only one stack
            info = running_stack(state_dir)
            if info is None and lock.holder(layout.lock_file):
                info = wait_until_ready(state_dir, on_change)
            info = info or _start(layout, on_change, say)
        yield UsedStack(info, is_temporary(state_dir))


def is_temporary(state_dir: Path) -> bool:
    """Return True if a temporary stack, started by a command, is running here."""
    layout = StateDir(state_dir.resolve())
    supervisor = lock.holder(layout.lock_file)
    if supervisor is None or not layout.temporary_file.exists():
        return False
    return layout.temporary_file.read_text(encoding="utf-8") == json.dumps(asdict(supervisor))


def _start(layout: StateDir, on_change: PartsListener, say: Say) -> StackInfo:
    from samfleet.config import Settings
    from samfleet_cli.local_stack.settings import StackSettings

    say(
        f"no stack is running in {layout.root}: starting one for this command "
        "(`samfleet up` starts a lasting one, which saves this time)"
    )
    prepare_start(Settings(), StackSettings(state_dir=layout.root))
    info = start_stack(layout.root, on_change)
    supervisor = lock.holder(layout.lock_file)
    if supervisor:
        StateDir.write_secret(layout.temporary_file, json.dumps(asdict(supervisor)))
    return info


def _opened(path: Path) -> TextIO:
    """Open a lock file. Other accounts get no access, because they could hold the lock."""
    path.touch(mode=0o600)
    return path.open("a", encoding="utf-8")


def _is_last(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
