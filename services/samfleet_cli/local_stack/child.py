"""One supervised process: when it starts, when it counts as ready, when it is started again."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from samfleet_cli.local_stack import processes
from samfleet_cli.local_stack.part import FOR_GOOD, Answer, PartSpec, PartState, PartStatus
from samfleet_cli.local_stack.processes import MARKER, ProcessIdentity, identify
from samfleet_cli.local_stack.watch import Runner, Watch, in_thread

_CANNOT_START = 127  # what a shell reports for a program it cannot run
_LOG_BYTES = 64 * 2**20
_LAST_BYTES = 4096
_LONGEST_REASON = 500  # characters

supervision = logging.getLogger("samfleet.supervisor")  # on stderr, which is logs/supervisor.log of a detached stack


@dataclass(frozen=True, slots=True)
class BackOff:
    """How long a part that died waits before its next start. Failures in a row double the delay up to a maximum; a
    part that held out for `healthy_seconds` begins again at the first. A part that was never ready is given up after
    `attempts_before_ready`, since a first start that fails this often fails for a reason.
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
    """The process of one part across its restarts. Times are seconds of one monotonic clock, given by the caller."""

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
        self._ready_once = False  # this process, since its start
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
        """A one-shot part that has done its work, or a part that was given up."""
        return self.state is PartState.FAILED or (self.spec.one_shot and self.state is PartState.READY)

    def start(self, now: float) -> None:
        """Start the process in a session of its own: a Ctrl-C at the terminal reaches the supervisor alone."""
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
        """Notice an exit, or what the part answered. `can_answer` is false while a part that this one needs is not
        ready: then its silence says nothing about it.
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
                self.kill_hanging(f"it did not answer for {silent:.0f} s")

    def kill_hanging(self, reason: str) -> None:
        """Kill a part that cannot go on; the next `observe` finds the exit and has it started again. SIGKILL, since a
        stopped process takes no other signal.
        """
        if self._process is not None:
            self.note(f"killed, because {reason}")
            if self._watch is not None:
                self._watch.excuse()
            self._process.kill()

    def note(self, text: str) -> None:
        """Write a line of the supervisor's into the part's log; a disk that is full keeps it from nobody else."""
        try:
            with self._log.open("a", encoding="utf-8") as log:
                log.write(f"samfleet: {_now()} {text}\n")
        except OSError as error:
            supervision.warning("%s: %s (its log cannot be written: %s)", self.spec.name, text, error)

    def ask_to_stop(self) -> list[ProcessIdentity]:
        """Send the stop signal; return the processes below, which are to be gone when this one is."""
        if self._process is None:
            return []
        below = processes.descendants(self._process.pid)
        self._process.send_signal(self.spec.stop_signal)
        return below

    def has_ended(self) -> bool:
        """After a stop was asked for: take the exit, if there is one."""
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
            self._give_up(self._watch.reason)
            return
        # What was ready once stays: a restart that brings back less than before ends no stack that is in use.
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
            self._give_up(last_words(self._log))
            return
        self.next_start = now + self._back_off.delay_seconds(self._failures)
        self._enter(PartState.RESTARTING)

    def _give_up(self, reason: str) -> None:
        self._reason = reason
        self.note(f"given up: {reason}")
        self._enter(PartState.FAILED)

    def _bound_log(self) -> None:
        """Set a long log aside, the former one is dropped. The process appends, so it goes on in the emptied file."""
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
        """End what the dead leader left in its process group: its id stays taken while the group has members."""
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            return


def last_words(log: Path) -> str:
    """The last line of a log that says something, which is where programs put the reason of their end."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _LAST_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")[:_LONGEST_REASON]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
