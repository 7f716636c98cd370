"""Parts of the stack: their description as data, and their status for `samfleet status`."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from samfleet.errors import SamfleetError


class DependencyCycle(SamfleetError):
    """The parts of the stack have a dependency cycle."""

    code = "stack_dependency_cycle"


class Answer(StrEnum):
    """Result of a readiness check."""

    READY = "ready"
    BUSY = "busy"  # responds, but is not ready: it replays its log, or waits for another part
    SILENT = "silent"  # does not respond: it does not listen yet, or it hangs
    FAILED = "failed"  # responds, but will never become ready


FOR_GOOD = 78  # EX_CONFIG of sysexits(3): exit code of a part for which a restart would not help


class NeverReady(SamfleetError):
    """The part responds, but will not become ready; its message says why."""

    code = "stack_part_failed"


class Readiness(Protocol):
    """Readiness check of a part. The supervisor runs it in a thread. Exceptions other than `NeverReady` count as
    silence.
    """

    def ask(self) -> Answer: ...


class PartState(StrEnum):
    STARTING = "starting"  # waits for its dependencies, or runs but does not respond yet
    READY = "ready"  # responds; a one-shot part has succeeded
    RESTARTING = "restarting"  # has died and waits for its next start
    STOPPED = "stopped"
    EXTERNAL = "external"  # configured elsewhere, not started here
    FAILED = "failed"  # failed permanently before it was ever ready


@dataclass(frozen=True, slots=True)
class PartSpec:
    """One process of the stack. `env` extends the supervisor's environment. A one-shot part is ready when it has exited
    with 0; it needs no `readiness`. `leaves` is a folder and a pattern of files that outlive a killed process of this
    part; they are removed when it has ended.

    A part that was ready and does not respond for `hang_seconds` counts as hanging: it is killed and restarted, as is a
    part that does not respond within `start_seconds` of its start. `needs_children`: the part cannot work after one of
    its child processes has died, and does not notice that itself.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    readiness: Readiness | None = None
    depends_on: tuple[str, ...] = ()
    one_shot: bool = False
    address: str | None = None
    cwd: Path | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0
    leaves: tuple[Path, str] | None = None
    hang_seconds: float = 20.0
    start_seconds: float = 600.0
    needs_children: bool = False


@dataclass(frozen=True, slots=True)
class ExternalPart:
    """A part that a setting places elsewhere. `address` has no secrets."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class PartStatus:
    """Status of a part. `last_exit` is the exit code, or the negative number of the signal that ended the process;
    `since` is in ISO 8601. `reason` says why the part failed.
    """

    name: str
    state: PartState
    pid: int | None
    restarts: int
    last_exit: int | None
    since: str
    address: str | None
    reason: str | None = None


def in_start_order(specs: Iterable[PartSpec]) -> tuple[PartSpec, ...]:
    """Sort parts with dependencies first. Dependencies that are not among the parts are external."""
    waiting = {spec.name: spec for spec in specs}
    ordered: list[PartSpec] = []
    while waiting:
        free = [spec for spec in waiting.values() if not any(name in waiting for name in spec.depends_on)]
        if not free:
            raise DependencyCycle(f"these parts have a dependency cycle: {', '.join(sorted(waiting))}")
        ordered += free
        for spec in free:
            del waiting[spec.name]
    return tuple(ordered)
