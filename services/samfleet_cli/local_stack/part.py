"""What the supervisor runs: a part described as data, and what `samfleet status` says of it."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from samfleet.errors import SamfleetError


class DependencyCycle(SamfleetError):
    """The parts of the stack depend on each other in a circle."""

    code = "stack_dependency_cycle"


class Answer(StrEnum):
    """A part's answer to the question if it is ready."""

    READY = "ready"
    BUSY = "busy"  # answers, and is not ready: it replays its log, or waits for another part
    SILENT = "silent"  # does not answer: it does not listen yet, or it hangs
    FAILED = "failed"  # answers, and will not do what it was started for


FOR_GOOD = 78  # EX_CONFIG of sysexits(3): the exit code of a part that knows that another start would not help


class NeverReady(SamfleetError):
    """The part answers and will not become ready; its message says why."""

    code = "stack_part_failed"


class Readiness(Protocol):
    """The check of one part. The supervisor asks in a thread; a check that raises counts as silent, unless it raises
    `NeverReady`.
    """

    def ask(self) -> Answer: ...


class PartState(StrEnum):
    STARTING = "starting"  # waits for its dependencies, or runs and does not answer yet
    READY = "ready"  # answers; a one-shot part has ended well
    RESTARTING = "restarting"  # has died and waits for its next start
    STOPPED = "stopped"
    EXTERNAL = "external"  # configured elsewhere, not ours to start
    FAILED = "failed"  # given up before it was ready once


@dataclass(frozen=True, slots=True)
class PartSpec:
    """One process of the stack. `env` is added to the supervisor's environment; a one-shot part is ready when it has
    exited with 0 and needs no `readiness`. `leaves` names files, by folder and pattern, that outlive a killed process
    of this part and are removed once it is gone.

    A part that was ready and is silent for `hang_seconds` hangs: it is killed and started again, as is one that is
    silent for `start_seconds` after its start. `needs_children` says that the part cannot work once one of its child
    processes has died, and does not notice it by itself.
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
    """A part that a setting places elsewhere; `address` carries no secret."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class PartStatus:
    """`last_exit` is the exit code, negative for the signal that ended the process; `since` is ISO 8601. `reason` says
    why a part was given up.
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
    """Dependencies first. A dependency that is not among the parts is taken as being there (it is external)."""
    waiting = {spec.name: spec for spec in specs}
    ordered: list[PartSpec] = []
    while waiting:
        free = [spec for spec in waiting.values() if not any(name in waiting for name in spec.depends_on)]
        if not free:
            raise DependencyCycle(f"these parts depend on each other in a circle: {', '.join(sorted(waiting))}")
        ordered += free
        for spec in free:
            del waiting[spec.name]
    return tuple(ordered)
