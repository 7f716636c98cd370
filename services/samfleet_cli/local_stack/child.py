"""A supervised process: start, readiness, restarts with back-off, and its log."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from samfleet.process_identity import ProcessIdentity, identify
from samfleet_cli.local_stack import processes
from samfleet_cli.local_stack.part import FOR_GOOD, Answer, PartSpec, PartState, PartStatus
from samfleet_cli.local_stack.processes import MARKER
from samfleet_cli.local_stack.watch import Runner, Watch, in_thread

_CANNOT_START = 127  # exit code of a shell for a program that it cannot run
_LOG_BYTES = 64 * 2**20
_LAST_BYTES = 4096
_LONGEST_REASON = 500  # characters

supervision = logging.getLogger("samfleet.supervisor")  # to stderr, which is logs/supervisor.log for a detached stack


@dataclass(frozen=True, slots=True)
class BackOff:
    """Delays before restarts. Consecutive failures double the delay up to a maximum; the back-off resets after
    `healthy_seconds` of uptime. A part that was never ready fails permanently after `attempts_before_ready`, because
    then the cause is not temporary.
    """

    first_seconds: float = 0.5
    factor: float = 2.0
    longest_seconds: float = 30.0
    healthy_seconds: float = 60.0
    attempts_before_ready: int = 5

    def failures(self, before: int, lived_seconds: float) -> int:
        return 1 if lived_seconds >= self.healthy_seconds else before + 1

    def delay_seconds(self, failures: int) -> float:
        return min(self.longest_seconds, self.first_seconds * self.factor ** min(failures - 1, 32))

    def gives_up(self, failures: int, was_ready: bool) -> bool:
        return not was_ready and failures >= self.attempts_before_ready


class Child:
    """The process of one part, across its restarts. The caller passes times in seconds of a monotonic clock."""

    def __init__(
        self, spec: PartSpec, log: Path, state_dir: Path, back_off: BackOff, run_check: Runner = in_thread
    ) -> None:
        self.spec = spec
        self.state = PartState.STARTING
        self.identity: ProcessIdentity | None = None
        self.next_start = 0.0
        self._log = log
        self._state_dir = state_dir
        self._back_off = back_off
        self._process: subprocess.Popen[bytes] | None = None
        self._restarts = 0
        self._failures = 0
        self._last_exit: int | None = None
        self._reason: str | None = None
        self._was_ready = False
        self._ready_once = False  # of the current process
        self._started = 0.0
        self._watch = Watch(spec.name, spec.readiness, run_check) if spec.readiness else None
        self._since = _now()

    @property
    def status(self) -> PartStatus:
        pid = self.identity.pid if self.identity else None
        return PartStatus(
            self.spec.name,
            self.state,
            pid,
            self._restarts,
            self._last_exit,
            self._since,
            self.spec.address,
            self._reason,
        )

    @property
    def is_running(self) -> bool:
        return self._process is not None

    @property
    def is_settled(self) -> bool:
        """True for a one-shot part that has succeeded, and for a part that failed permanently."""
        return self.state is PartState.FAILED or (self.spec.one_shot and self.state is PartState.READY)

    def start(self, now: float) -> None:
        """Start the process in a new session, so that a Ctrl-C at the terminal reaches only the supervisor."""
        if self.state is PartState.RESTARTING:
            self._restarts += 1
            self._enter(PartState.STARTING)
        self._remove_leavings()
        environment = {**os.environ, **self.spec.env, MARKER: str(self._state_dir)}
        self._started = now
        self._ready_once = False
        if self._watch is not None:
            self._watch.begin(now)
        try:
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    self.spec.argv,
                    env=environment,
                    cwd=self.spec.cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        except OSError as error:
            self.note(f"cannot run {self.spec.argv[0]}: {error}")
            self._record_exit(_CANNOT_START, now)
        else:
            self.identity = identify(self._process.pid)

    def observe(self, now: float, *, can_answer: bool = True) -> None:
        """Handle an exit or the result of a readiness check. `can_answer` is False while a dependency is not ready;
        silence is not counted then.
        """
        if self._process is None:
            return
        code = self._process.poll()
        if code is not None:
            self._kill_group(self._process.pid)
            self._record_exit(code, now)
        elif self._watch is not None:
            answer = self._watch.look(now)
            if answer is not None:
                self._heard(answer)
            if not can_answer:
                self._watch.excuse()
            limit = self.spec.hang_seconds if self._ready_once else self.spec.start_seconds
            silent = self._watch.silent_seconds(now)
            if silent >= limit:
                self.kill_hanging(f"it did not respond for {silent:.0f} s")

    def kill_hanging(self, reason: str) -> None:
        """Kill a part that hangs; the next `observe` notices the exit and schedules a restart. Uses SIGKILL, because a
        stopped process handles no other signal.
        """
        if self._process is not None:
            self.note(f"killed, because {reason}")
            if self._watch is not None:
                self._watch.excuse()
            self._process.kill()

    def note(self, text: str) -> None:
        """Write a line of the supervisor to the part's log. If that fails (full disk), log to the supervisor's log."""
        try:
            with self._log.open("a", encoding="utf-8") as log:
                log.write(f"samfleet: {_now()} {text}\n")
        except OSError as error:
            supervision.warning("%s: %s (its log cannot be written: %s)", self.spec.name, text, error)

    def ask_to_stop(self) -> list[ProcessIdentity]:
        """Send the stop signal. Returns the descendants, which must also have ended when this process has."""
        if self._process is None:
            return []
        below = processes.descendants(self._process.pid)
        self._process.send_signal(self.spec.stop_signal)
        return below

    def has_ended(self) -> bool:
        """Return whether the process has ended after a stop request, and clean up if so."""
        if self._process is None:
            return True
        code = self._process.poll()
        if code is None:
            return False
        self._kill_group(self._process.pid)
        self._remove_leavings()
        self._last_exit = code
        self._process = None
        self.identity = None
        return True

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self.has_ended()

    def mark_stopped(self) -> None:
        if not self.is_settled:
            self._enter(PartState.STOPPED)

    def _heard(self, answer: Answer) -> None:
        if answer is Answer.FAILED and self._watch and not self._was_ready:
            self._fail(self._watch.reason)
            return
        # A part that was ready before does not fail: a restart that loads fewer models must not end a stack in use.
        ready = answer in {Answer.READY, Answer.FAILED}
        self._was_ready |= ready
        self._ready_once |= ready
        self._enter(PartState.READY if ready else PartState.STARTING)
        self._bound_log()

    def _record_exit(self, code: int, now: float) -> None:
        self._process = None
        self.identity = None
        self._last_exit = code
        if self.spec.one_shot and code == 0:
            self._enter(PartState.READY)
            return
        self._failures = self._back_off.failures(self._failures, now - self._started)
        if self._back_off.gives_up(self._failures, self._was_ready) or (code == FOR_GOOD and not self._was_ready):
            self._fail(last_words(self._log))
            return
        self.next_start = now + self._back_off.delay_seconds(self._failures)
        self._enter(PartState.RESTARTING)

    def _fail(self, reason: str) -> None:
        self._reason = reason
        self.note(f"not restarted: {reason}")
        self._enter(PartState.FAILED)

    def _bound_log(self) -> None:
        """Rotate a long log, keeping one former log. The process appends, so it continues in the truncated file."""
        if self._log.stat().st_size > _LOG_BYTES:
            shutil.copyfile(self._log, self._log.with_suffix(".log.1"))
            os.truncate(self._log, 0)

    def _enter(self, state: PartState) -> None:
        if state is not self.state:
            self.state = state
            self._since = _now()

    def _remove_leavings(self) -> None:
        if self.spec.leaves:
            folder, pattern = self.spec.leaves
            for path in folder.glob(pattern):
                path.unlink(missing_ok=True)

    @staticmethod
    def _kill_group(pid: int) -> None:
        """Kill the rest of a dead leader's process group. Its id is not reused while the group has members."""
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            return


def last_words(log: Path) -> str:
    """Return the last non-empty line of a log, which usually has the reason of an exit."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _LAST_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")[:_LONGEST_REASON]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
