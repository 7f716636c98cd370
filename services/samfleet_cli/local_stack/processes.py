"""Processes of the embedded stack: find them, and end them."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import psutil

from samfleet.errors import SamfleetError
from samfleet.process_identity import ProcessIdentity, identify

MARKER = "SAMFLEET_STACK"  # environment variable of every child: the state directory that it belongs to
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_GONE = (psutil.NoSuchProcess, psutil.ZombieProcess)


class ProcessesRemain(SamfleetError):
    """Some processes of the stack could not be ended."""

    code = "stack_processes_remain"


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
