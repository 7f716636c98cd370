"""Interface of the embedded stack: find a running one, start one in the background, stop it, report its status."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from samfleet.errors import Unavailable
from samfleet.process_identity import ProcessIdentity, identify
from samfleet_cli.local_stack import lock
from samfleet_cli.local_stack.child import last_words
from samfleet_cli.local_stack.layout import StateDir
from samfleet_cli.local_stack.leftovers import clear_leftovers, leftovers
from samfleet_cli.local_stack.part import PartState, PartStatus
from samfleet_cli.local_stack.ports import metrics_urls
from samfleet_cli.local_stack.processes import wait_gone
from samfleet_cli.local_stack.state import StackInfo, StackState, read_state

if TYPE_CHECKING:  # settings take longer to import than most commands need the stack
    from samfleet.config import Settings
    from samfleet_cli.local_stack.settings import StackSettings

PartsListener = Callable[[Sequence[PartStatus]], None]
_POLL_SECONDS = 0.1
_UP_SECONDS = 300.0
_DOWN_SECONDS = 45.0
_LOG_LINES = 15


class StackDidNotStart(Unavailable):
    """The embedded stack did not start; its logs say why, and `samfleet doctor` checks this machine."""

    code = "stack_did_not_start"


@dataclass(frozen=True, slots=True)
class StackStatus:
    """Status of a stack. `degraded`: some parts are not ready, or the supervisor is dead but processes remain."""

    state: Literal["running", "stopped", "degraded"]
    supervisor_pid: int | None
    api_url: str | None
    parts: Sequence[PartStatus]
    metrics: Mapping[str, str] = field(default_factory=dict)  # Prometheus URLs by part


def running_stack(state_dir: Path) -> StackInfo | None:
    """Return the addresses of this directory's stack if its supervisor is alive."""
    state = _state_of_running(StateDir(state_dir.resolve()))
    return state.info if state else None


def prepare_start(settings: Settings, stack: StackSettings) -> None:
    """Create the state directory and end processes that a killed supervisor has left. Raises `StackAlreadyRuns`, or the
    error of a failed precondition.
    """
    from samfleet_cli.local_stack.preconditions import require_startable
    from samfleet_cli.local_stack.triton_container import chosen_engine

    layout = StateDir(stack.state_dir.resolve())
    layout.create()
    lock.refuse_second(layout.lock_file)
    with lock.exclude(layout.lock_file):
        clear_leftovers(layout)
        require_startable(layout, settings, stack)
        if "pools" not in settings.model_fields_set:
            chosen_engine(stack)  # raises an error if Triton is to run in a container and cannot


def start_stack(
    state_dir: Path, on_change: PartsListener | None = None, timeout_seconds: float = _UP_SECONDS
) -> StackInfo:
    """Start a supervisor in the background and wait until its parts are ready. If one fails, raises `StackDidNotStart`
    and leaves nothing running.
    """
    layout = StateDir(state_dir.resolve())
    layout.create()
    lock.refuse_second(layout.lock_file)
    supervisor = _spawn_supervisor(layout)
    try:
        return wait_until_ready(state_dir, on_change, timeout_seconds, supervisor)
    except BaseException:  # including Ctrl-C while waiting: what was started here must not stay
        if supervisor:
            _ask_to_end(supervisor)
        if lock.holder(layout.lock_file) is None:
            stop_stack(state_dir)
        raise


def wait_until_ready(
    state_dir: Path,
    on_change: PartsListener | None = None,
    timeout_seconds: float = _UP_SECONDS,
    supervisor: ProcessIdentity | None = None,
) -> StackInfo:
    """Wait until all parts are ready. `supervisor`: a process just started, which may not hold its lock yet."""
    layout = StateDir(state_dir.resolve())
    deadline = time.monotonic() + timeout_seconds
    told: Sequence[PartStatus] = ()
    while time.monotonic() < deadline:
        state = _state_of_running(layout)
        if state and supervisor in {None, state.supervisor}:
            if state.parts != told and on_change:
                on_change(told := state.parts)
            if all(part.state in {PartState.READY, PartState.EXTERNAL} for part in state.parts):
                return state.info
            if any(part.state is PartState.FAILED for part in state.parts):
                raise StackDidNotStart(explain_failure(state_dir))
        if not (supervisor.is_alive() if supervisor else lock.holder(layout.lock_file)):
            raise StackDidNotStart(explain_failure(state_dir))
        time.sleep(_POLL_SECONDS)
    raise StackDidNotStart(f"within {timeout_seconds:g} s {explain_failure(state_dir)}")


def stop_stack(state_dir: Path) -> bool:
    """Stop the stack of this directory and processes left by a killed supervisor. False if nothing was running."""
    layout = StateDir(state_dir.resolve())
    if not layout.root.is_dir():
        return False
    supervisor = lock.holder(layout.lock_file)
    if supervisor:
        _ask_to_end(supervisor)
    with lock.exclude(layout.lock_file):
        cleared = clear_leftovers(layout)
        layout.remove_temporary()
        return cleared > 0 or supervisor is not None


def stack_status(state_dir: Path) -> StackStatus:
    layout = StateDir(state_dir.resolve())
    supervisor = lock.holder(layout.lock_file)
    state = read_state(layout.state_file)
    if supervisor is None:
        left = {process.pid for process in leftovers(layout)} if layout.root.is_dir() else set()
        parts = [_as_left(part, left) for part in (state.parts if state else ())]
        return StackStatus("degraded" if left else "stopped", None, None, parts)
    if state is None or state.supervisor != supervisor:
        return StackStatus("degraded", supervisor.pid, None, ())
    settled = all(part.state in {PartState.READY, PartState.EXTERNAL} for part in state.parts)
    external = {part.name for part in state.parts if part.state is PartState.EXTERNAL}
    known = {part.name for part in state.parts} - external
    metrics = {name: url for name, url in metrics_urls(state.ports).items() if name in known}
    return StackStatus("running" if settled else "degraded", supervisor.pid, state.info.api_url, state.parts, metrics)


def _spawn_supervisor(layout: StateDir) -> ProcessIdentity | None:
    """Start a supervisor in a new session, so that it outlives this process. None if it has already ended."""
    log = str(layout.logs / "supervisor.log")
    write = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    pid = os.posix_spawn(
        sys.executable,
        (sys.executable, "-m", "samfleet_cli.local_stack.run"),
        {**os.environ, "SAMFLEET_STATE_DIR": str(layout.root)},
        file_actions=(
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, write, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ),
        setsid=True,
    )
    return identify(pid)


def _state_of_running(layout: StateDir) -> StackState | None:
    supervisor = lock.holder(layout.lock_file)
    state = read_state(layout.state_file)
    return state if supervisor and state and state.supervisor == supervisor else None


def _as_left(part: PartStatus, left: set[int]) -> PartStatus:
    if part.state is PartState.EXTERNAL or part.pid in left:
        return part
    state = PartState.FAILED if part.state is PartState.FAILED else PartState.STOPPED
    return replace(part, state=state, pid=None)


def _ask_to_end(supervisor: ProcessIdentity) -> None:
    """Send SIGTERM twice, because the second skips the grace periods. If that does not help, kill the supervisor."""
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
        if supervisor.is_alive():
            os.kill(supervisor.pid, number)
        if not wait_gone([supervisor], _DOWN_SECONDS):
            return


def explain_failure(state_dir: Path) -> str:
    """Describe the parts that failed to start, with the ends of their logs."""
    layout = StateDir(state_dir.resolve())
    state = read_state(layout.state_file)
    parts = state.parts if state else ()
    wanting = [part for part in parts if part.state not in {PartState.READY, PartState.EXTERNAL}]
    names = [part.name for part in wanting if part.state is PartState.FAILED] or [part.name for part in wanting]
    reasons = [f"{part.name}: {part.reason}" for part in wanting if part.reason]
    reason = "; ".join(reasons) or (last_words(layout.logs / "supervisor.log") if not names else "")
    lines = [f"the stack did not start because of {', '.join(names) or 'its supervisor'}: {reason}".rstrip(": ")]
    for log in [layout.logs / f"{name}.log" for name in names or ("supervisor",)]:
        if log.exists():
            tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
            lines += [f"the end of {log}:", *(f"  {line}" for line in tail)]
    return "\n".join([*lines, "`samfleet doctor` checks this machine's requirements"])
