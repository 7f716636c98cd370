"""Processes of this machine, named so that a recycled process id is never taken for the one it was."""

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

MARKER = "SAMFLEET_STACK"  # environment variable that every child carries: the state directory it belongs to
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_GONE = (psutil.NoSuchProcess, psutil.ZombieProcess)


class ProcessesRemain(SamfleetError):
    """Some processes of the stack could not be ended."""

    code = "stack_processes_remain"


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process id with the kernel's start time in clock ticks after boot (proc(5), field 22 of stat) and that boot's
    id: the three together never name another process.
    """

    pid: int
    start_ticks: int
    boot_id: str

    def is_alive(self) -> bool:
        """A zombie counts as gone: it holds nothing and its parent may never reap it."""
        return identify(self.pid) == self


def identify(pid: int) -> ProcessIdentity | None:
    """None when there is no such process, or only a zombie of it."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()  # the name before it may hold spaces and brackets
    state, start_ticks = fields[0], int(fields[19])
    if state in {"Z", "X"}:
        return None
    return ProcessIdentity(pid, start_ticks, _boot_id())


def become_subreaper() -> None:
    """Grandchildren whose parent dies come to this process instead of init, so none of them can get out of sight."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER) failed")


def reap_others(leaders: Collection[int]) -> None:
    """Collect dead children that came to this process as their subreaper; leaders are left to who waits for them."""
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
    """Living processes that a stack of this directory has started, whoever is their parent now. PostgreSQL overwrites
    its environment when it sets its process title; it is known by its working directory, which lies below ours.
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
    """Ask with `first_signal`, wait, then kill; return when all are gone."""
    remaining = [process for process in processes if process.is_alive()]
    _signal_all(remaining, first_signal)
    remaining = wait_gone(remaining, grace_seconds)
    _signal_all(remaining, signal.SIGKILL)
    if remaining := wait_gone(remaining, 5.0):
        raise ProcessesRemain(f"processes {[process.pid for process in remaining]} do not end, even after SIGKILL")


def wait_gone(processes: Sequence[ProcessIdentity], seconds: float) -> list[ProcessIdentity]:
    """Those still alive after at most that time. Children of this process are reaped."""
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
