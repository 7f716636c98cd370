"""Processes of this machine, identified so that a reused process id is never confused with the earlier process."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from samfleet.errors import SamfleetError

MARKER = "SAMFLEET_STACK"  # environment variable of every child: the state directory that it belongs to
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_GONE = (psutil.NoSuchProcess, psutil.ZombieProcess)


class ProcessesRemain(SamfleetError):
    """Some processes of the stack could not be ended."""

    code = "stack_processes_remain"


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process id with the start time in clock ticks after boot (proc(5), field 22 of stat) and the boot id. Together
    they identify a process uniquely.
    """

    pid: int
    start_ticks: int
    boot_id: str

    def is_alive(self) -> bool:
        """Return whether the process is alive. Zombies are not: they hold nothing, and may never be reaped."""
        return identify(self.pid) == self


def identify(pid: int) -> ProcessIdentity | None:
    """Return the identity of a process; None if it does not exist or is a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()  # the name before it may contain spaces and brackets
    state, start_ticks = fields[0], int(fields[19])
    if state in {"Z", "X"}:
        return None
    return ProcessIdentity(pid, start_ticks, _boot_id())


def become_subreaper() -> None:
    """Make this process the parent of orphaned descendants instead of init, so that none of them escapes."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER) failed")


def reap_others(leaders: Collection[int]) -> None:
    """Reap dead children that this process has inherited as subreaper. Leaders are reaped by their own waiters."""
    while True:
        try:
            dead = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if dead is None or dead.si_pid in leaders:
            return
        _reap(dead.si_pid)


def descendants(pid: int) -> list[ProcessIdentity]:
    try:
        children = psutil.Process(pid).children(recursive=True)
    except _GONE:
        return []
    return [identity for child in children if (identity := identify(child.pid))]


def belonging_to(state_dir: Path) -> list[ProcessIdentity]:
    """Return live processes started by a stack of this directory, regardless of their current parent. PostgreSQL
    overwrites its environment with its process title, so it is recognised by its working directory below `state_dir`.
    """
    found = []
    for process in psutil.process_iter():
        try:
            ours = process.pid != os.getpid() and (
                process.environ().get(MARKER) == str(state_dir)
                or (process.name().startswith("postgres") and Path(process.cwd()).is_relative_to(state_dir))
            )
        except (*_GONE, psutil.AccessDenied):
            continue
        if ours and (identity := identify(process.pid)):
            found.append(identity)
    return found


def end(
    processes: Iterable[ProcessIdentity], *, grace_seconds: float, first_signal: signal.Signals = signal.SIGTERM
) -> None:
    """End processes: send `first_signal`, wait, then kill. Returns when all have ended."""
    remaining = [process for process in processes if process.is_alive()]
    _signal_all(remaining, first_signal)
    remaining = wait_gone(remaining, grace_seconds)
    _signal_all(remaining, signal.SIGKILL)
    if remaining := wait_gone(remaining, 5.0):
        raise ProcessesRemain(f"processes {[process.pid for process in remaining]} do not end, even after SIGKILL")


def wait_gone(processes: Sequence[ProcessIdentity], seconds: float) -> list[ProcessIdentity]:
    """Wait up to `seconds` and return the processes that are still alive. Children of this process are reaped."""
    deadline = time.monotonic() + seconds
    while True:
        for process in processes:
            _reap(process.pid)
        processes = [process for process in processes if process.is_alive()]
        if not processes or time.monotonic() > deadline:
            return list(processes)
        time.sleep(0.02)


def _signal_all(processes: Iterable[ProcessIdentity], number: signal.Signals) -> None:
    for process in processes:
        if process.is_alive():
            try:
                os.kill(process.pid, number)
            except ProcessLookupError:
                continue


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
