"""Starts the parts in dependency order, restarts what dies, stops all of them in reverse."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from samfleet_cli.local_stack import processes
from samfleet_cli.local_stack.child import BackOff, Child
from samfleet_cli.local_stack.part import PartSpec, PartState, PartStatus, in_start_order
from samfleet_cli.local_stack.processes import ProcessIdentity

_TICK_SECONDS = 0.1
_STOP_TICK_SECONDS = 0.02

ChangeListener = Callable[[Sequence[Child]], None]


class Supervisor:
    """Runs the parts until `request_stop`. One thread, one loop: a part's state changes in no other place.

    `on_change` hears of each change of any part's status, in the loop's thread.
    """

    def __init__(
        self,
        specs: Sequence[PartSpec],
        *,
        state_dir: Path,
        logs: Path,
        on_change: ChangeListener,
        back_off: BackOff | None = None,
    ) -> None:
        self.children = [
            Child(spec, logs / f"{spec.name}.log", state_dir, back_off or BackOff()) for spec in in_start_order(specs)
        ]
        self._by_name = {child.spec.name: child for child in self.children}
        self._logs = logs
        self._state_dir = state_dir
        self._on_change = on_change
        self._told: list[PartStatus] | None = None
        self._stop = threading.Event()
        self._hurry = threading.Event()

    def request_stop(self) -> None:
        """Safe in a signal handler. The second request skips the grace period."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    def run(self) -> bool:
        """Supervise until asked to stop, or until a part is given up; True when all went well. Whatever happens,
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
            child.observe(now)
            lost |= was_running and not child.is_running
            if not child.is_running and self._may_start(child, now):
                child.start(now)
                self._tell()
        if lost:
            self._end_strays()
        processes.reap_others({child.identity.pid for child in self.children if child.identity})
        self._tell()

    def _may_start(self, child: Child, now: float) -> bool:
        dependencies = [self._by_name[name] for name in child.spec.depends_on if name in self._by_name]
        return (
            not child.is_settled
            and now >= child.next_start
            and all(dependency.state is PartState.READY for dependency in dependencies)
        )

    def _shut_down(self) -> None:
        """Stop what nothing running depends on, level by level, each part within its own grace period."""
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
        """End what a dead part has left: our processes that stand below no living part."""
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
            self._told = statuses
            self._on_change(self.children)
