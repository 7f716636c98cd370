"""Commands that use one stack at a time, and the stack that one of them started: it ends with the last of them.

Each user holds a shared flock while it uses the stack, which the kernel drops however the user ends. Who goes tries to
get the lock alone, and stops a temporary stack if it does; who comes meanwhile waits for that and starts another one.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from samfleet.config import Settings
from samfleet_cli.local_stack import lock
from samfleet_cli.local_stack.layout import StateDir
from samfleet_cli.local_stack.settings import StackSettings
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
    """`temporary`: it ends with its last user."""

    info: StackInfo
    temporary: bool


@contextmanager
def using(state_dir: Path, say: Say) -> Iterator[None]:
    """Be one of the users of this directory's stack, whatever becomes of it meanwhile."""
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
    """The stack of this directory. One that had to be started is stopped when its last user has gone."""
    layout = StateDir(state_dir.resolve())
    layout.create()
    with using(state_dir, say):
        with _opened(layout.starting_file) as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # two commands at once start one stack
            info = running_stack(state_dir)
            if info is None and lock.holder(layout.lock_file):
                info = wait_until_ready(state_dir, on_change)
            info = info or _start(layout, on_change, say)
        yield UsedStack(info, is_temporary(state_dir))


def is_temporary(state_dir: Path) -> bool:
    """Return True if a stack runs here that a command has started for itself."""
    layout = StateDir(state_dir.resolve())
    supervisor = lock.holder(layout.lock_file)
    if supervisor is None or not layout.temporary_file.exists():
        return False
    return layout.temporary_file.read_text(encoding="utf-8") == json.dumps(asdict(supervisor))


def _start(layout: StateDir, on_change: PartsListener, say: Say) -> StackInfo:
    say(
        f"no stack runs in {layout.root}: starting one for this command "
        "(`samfleet up` starts one that stays, and saves this time)"
    )
    prepare_start(Settings(), StackSettings(state_dir=layout.root))
    info = start_stack(layout.root, on_change)
    supervisor = lock.holder(layout.lock_file)
    if supervisor:
        StateDir.write_secret(layout.temporary_file, json.dumps(asdict(supervisor)))
    return info


def _opened(path: Path) -> TextIO:
    """For its lock; closed to other accounts, which could hold the lock otherwise."""
    path.touch(mode=0o600)
    return path.open("a", encoding="utf-8")


def _is_last(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
