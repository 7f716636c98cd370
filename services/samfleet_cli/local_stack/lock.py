"""Lock that allows one supervisor per state directory: an flock, which the kernel releases when the process dies."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

from samfleet.errors import Conflict
from samfleet.process_identity import ProcessIdentity, identify


class StackAlreadyRuns(Conflict):
    """A stack already runs in this state directory; `samfleet status` shows it, `samfleet down` stops it."""

    code = "stack_already_runs"


@contextmanager
def supervise(path: Path) -> Iterator[ProcessIdentity]:
    """Hold the supervisor's lock. Yields this process's identity, which others can read from the lock file."""
    identity = identify(os.getpid())
    if identity is None:
        raise ProcessLookupError(f"/proc/{os.getpid()}/stat cannot be read")
    with exclude(path) as file:
        file.write(json.dumps(asdict(identity)))
        file.flush()
        try:
            yield identity
        finally:
            file.truncate(0)


@contextmanager
def exclude(path: Path) -> Iterator[TextIO]:
    """Keep supervisors from starting, without being one. Raises `StackAlreadyRuns`."""
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _already_runs(path) from None
        file.truncate(0)
        yield file


def holder(path: Path) -> ProcessIdentity | None:
    """Return the live supervisor, if any. This takes no lock, so it never makes a concurrent `up` fail."""
    try:
        identity = ProcessIdentity(**json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return identity if identity.is_alive() else None


def refuse_second(path: Path) -> None:
    """Raise `StackAlreadyRuns` if a supervisor is alive."""
    if holder(path):
        raise _already_runs(path)


def _already_runs(path: Path) -> StackAlreadyRuns:
    other = holder(path)
    return StackAlreadyRuns(
        f"a stack already runs in {path.parent} (supervisor {other.pid if other else 'just starting'}); "
        f"`samfleet status` shows it, `samfleet down` stops it"
    )
