"""Supervisor: starts parts in dependency order, restarts dead or hanging ones, and stops all in reverse order.

Errors with one part (its start, check or log) are logged and retried. They never affect the supervision of other parts.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from samfleet.process_identity import ProcessIdentity
from samfleet_cli.local_stack import processes
from samfleet_cli.local_stack.child import BackOff, Child, supervision
from samfleet_cli.local_stack.part import PartSpec, PartState, PartStatus, in_start_order
from samfleet_cli.local_stack.stuck import Stuck, StuckProcesses

_TICK_SECONDS = 0.1
_STOP_TICK_SECONDS = 0.02

ChangeListener = Callable[[Sequence[Child]], None]


class Supervisor:
    """Run the parts until `request_stop`. All state changes happen in one loop in one thread.

    `on_change` is called in that thread after each change of a part's status.
    """

    def __init__(
        self,
        specs: Sequence[PartSpec],
        *,
        state_dir: Path,
        logs: Path,
        on_change: ChangeListener,
        back_off: BackOff | None = None,
        stuck: StuckProcesses | None = None,
    ) -> None:
        self.children = [
            Child(spec, logs / f"{spec.name}.log", state_dir, back_off or BackOff()) for spec in in_start_order(specs)
        ]
        self._by_name = {child.spec.name: child for child in self.children}
        self._logs = logs
        self._state_dir = state_dir
        self._on_change = on_change
        self._stuck = stuck or StuckProcesses()
        self._told: list[PartStatus] | None = None
        self._failures: set[str] = set()  # logged failures that have not been resolved
        self._stop = threading.Event()
        self._hurry = threading.Event()

    def request_stop(self) -> None:
        """Request a stop. Safe in a signal handler. The second request skips the grace period."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    def run(self) -> bool:
        """Supervise until a stop request (returns True) or until a part fails permanently (returns False). In any case,
        nothing is left running.
        """
        processes.become_subreaper()
        self._keep_former_logs()
        try:
            while not self._stop.is_set():
                self._step(time.monotonic())
                if any(child.state is PartState.FAILED for child in self.children):
                    return False
                self._stop.wait(_TICK_SECONDS)
            return True
        finally:
            self._shut_down()

    def _step(self, now: float) -> None:
        lost = False
        for child in self.children:
            was_running = child.is_running
            with self._guarded(child.spec.name):
                child.observe(now, can_answer=self._has_dependencies(child))
            lost |= was_running and not child.is_running
            with self._guarded(f"the start of {child.spec.name}"):
                if not child.is_running and self._may_start(child, now):
                    child.start(now)
        with self._guarded("what is stuck"):
            self._free_stuck(now)
        if lost:
            with self._guarded("what dead parts have left"):
                self._end_strays()
        with self._guarded("dead processes"):
            processes.reap_others({child.identity.pid for child in self.children if child.identity})
        self._tell()

    @contextmanager
    def _guarded(self, what: str) -> Iterator[None]:
        try:
            yield
        except Exception:  # noqa: BLE001 - logged; the other parts stay supervised
            if what not in self._failures:  # once, not ten times a second
                supervision.exception("%s: the supervisor failed here and continues", what)
            self._failures.add(what)
        else:
            self._failures.discard(what)

    def _free_stuck(self, now: float) -> None:
        """Kill stopped processes, and parts that cannot work without a dead child process."""
        by_pid = {child.identity.pid: child for child in self.children if child.identity}
        for stuck in self._stuck.find({pid: child.spec.needs_children for pid, child in by_pid.items()}, now):
            self._free(by_pid[stuck.part], stuck)

    @staticmethod
    def _free(child: Child, stuck: Stuck) -> None:
        pid = stuck.process.pid
        if pid == stuck.part:
            child.kill_hanging("it was stopped (SIGSTOP)")
        elif stuck.is_stopped:
            child.note(f"killed its process {pid}, which was stopped (SIGSTOP)")
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        else:
            child.kill_hanging(f"its process {pid} died and it does not start another")

    def _has_dependencies(self, child: Child) -> bool:
        needed = [self._by_name[name] for name in child.spec.depends_on if name in self._by_name]
        return all(other.state is PartState.READY for other in needed)

    def _may_start(self, child: Child, now: float) -> bool:
        return not child.is_settled and now >= child.next_start and self._has_dependencies(child)

    def _shut_down(self) -> None:
        """Stop parts level by level, first those that no running part depends on. Each has its own grace period."""
        deadlines: dict[str, float] = {}
        below: list[ProcessIdentity] = []
        while running := [child for child in self.children if child.is_running]:
            for child in running:
                name = child.spec.name
                if name not in deadlines and not any(name in other.spec.depends_on for other in running):
                    deadlines[name] = time.monotonic() + child.spec.stop_seconds
                    below += child.ask_to_stop()
                if child.has_ended():
                    child.mark_stopped()
                elif self._hurry.is_set() or time.monotonic() > deadlines.get(name, float("inf")):
                    below += processes.descendants(child.identity.pid) if child.identity else []
                    child.kill()
            self._tell()
            time.sleep(_STOP_TICK_SECONDS)
        processes.end(below, grace_seconds=2.0)
        self._end_strays()
        processes.reap_others(())
        for child in self.children:
            child.mark_stopped()
        self._tell()

    def _end_strays(self) -> None:
        """End processes of dead parts: our processes that descend from no live part."""
        ours = processes.belonging_to(self._state_dir)
        kept: set[int] = set()
        for child in self.children:
            if child.identity:
                kept |= {child.identity.pid, *(process.pid for process in processes.descendants(child.identity.pid))}
        processes.end([process for process in ours if process.pid not in kept], grace_seconds=2.0)

    def _keep_former_logs(self) -> None:
        self._logs.mkdir(parents=True, exist_ok=True)
        for child in self.children:
            log = self._logs / f"{child.spec.name}.log"
            if log.exists():
                log.replace(log.with_suffix(".log.1"))

    def _tell(self) -> None:
        statuses = [child.status for child in self.children]
        if statuses != self._told:
            with self._guarded("the state file"):  # may fail on a full disk; retried later
                self._on_change(self.children)
                self._told = statuses
