"""Detection of stuck processes of the stack: stopped ones (SIGSTOP), and dead ones that their parent does not notice.

Triton does not notice when the process of a Python model dies: it stays a zombie, the model stays "ready", and each
request fails. If a worker reloads such a model, a live process serves under the same name (the second to last
argument), while Triton keeps the zombie. If no worker does, the part must be restarted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_LOOK_SECONDS = 2.0  # each look reads /proc once: about 5 ms with 200 processes
_STOPPED_SECONDS = 8.0  # tolerates short stops, such as by a debugger
_DEAD_SECONDS = 15.0  # a worker that uses the model reloads it within about five
_STOPPED, _ZOMBIE = "T", "Z"  # proc(5); a process under a debugger has state t and is ignored


@dataclass(frozen=True, slots=True)
class ProcessState:
    pid: int
    parent: int
    state: str
    start_ticks: int


@dataclass(frozen=True, slots=True)
class Stuck:
    """A stuck process. `part` is the pid of its part's leader, which may be the process itself."""

    part: int
    process: ProcessState

    @property
    def is_stopped(self) -> bool:
        return self.process.state == _STOPPED


class StuckProcesses:
    """Finder of leaders and descendants of parts that have been stuck for long enough."""

    def __init__(self, stopped_seconds: float = _STOPPED_SECONDS, dead_seconds: float = _DEAD_SECONDS) -> None:
        self._patience = {_STOPPED: stopped_seconds, _ZOMBIE: dead_seconds}
        self._next_look = 0.0
        self._names: dict[tuple[int, int], str] = {}  # of processes that parts need, recorded while alive
        self._since: dict[tuple[int, int, str], float] = {}

    def find(self, leaders: Mapping[int, bool], now: float) -> list[Stuck]:
        """Return stuck processes. `leaders` maps the pid of each part's leader to whether its zombies count."""
        if now < self._next_look:
            return []
        self._next_look = now + _LOOK_SECONDS
        below = list(_below(leaders, _process_table()))
        dead = self._dead([process for leader, process in below if leaders[leader] and process.pid != leader])
        found = [Stuck(leader, process) for leader, process in below if process.state == _STOPPED or process in dead]
        keys = [(stuck.process.pid, stuck.process.start_ticks, stuck.process.state) for stuck in found]
        self._since = {key: self._since.get(key, now) for key in keys}
        return [
            stuck
            for stuck, key in zip(found, keys, strict=True)
            if now - self._since[key] >= self._patience[stuck.process.state]
        ]

    def _dead(self, needed: list[ProcessState]) -> set[ProcessState]:
        """Return zombies that no other process replaces, including those that were never seen alive."""
        keys = {process: (process.pid, process.start_ticks) for process in needed}
        alive = {process: _name(process.pid) for process in needed if process.state != _ZOMBIE}
        names = {keys[process]: self._names.get(keys[process], "") for process in needed}
        self._names = names | {keys[process]: name for process, name in alive.items()}
        served = set(alive.values()) - {""}
        return {process for process in needed if process not in alive and names[keys[process]] not in served}


def _below(leaders: Mapping[int, bool], table: Mapping[int, ProcessState]) -> Iterator[tuple[int, ProcessState]]:
    children: dict[int, list[ProcessState]] = {}
    for process in table.values():
        children.setdefault(process.parent, []).append(process)
    for leader in leaders:
        waiting = [table[leader]] if leader in table else []
        while waiting:
            process = waiting.pop()
            yield leader, process
            waiting += children.get(process.pid, ())


def _process_table() -> dict[int, ProcessState]:
    table = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (process := _read(int(folder.name))):
            table[process.pid] = process
    return table


def _name(pid: int) -> str:
    """Return the model instance that a process of Triton's Python backend serves, such as `mobile_sam_0_0`."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return arguments[-2] if len(arguments) > 1 else ""


def _read(pid: int) -> ProcessState | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return ProcessState(pid, parent=int(fields[1]), state=fields[0], start_ticks=int(fields[19]))
