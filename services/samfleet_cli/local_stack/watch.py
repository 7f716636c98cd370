"""Asks one part whether it is ready, in a thread, so that a part that hangs holds up none of the others."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from samfleet_cli.local_stack.part import Answer, NeverReady, Readiness

_CHECK_STARTING_SECONDS = 0.25
_CHECK_READY_SECONDS = 5.0
_STARTING = {Answer.BUSY, Answer.SILENT}
_LONGEST_CHECK_SECONDS = 10.0  # every check bounds itself; one that does not return by then is silent

log = logging.getLogger(__name__)

Runner = Callable[[Callable[[], None]], None]


def in_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="readiness", daemon=True).start()


@dataclass(slots=True)
class _Asked:
    at: float
    answer: Answer | None = None


class Watch:
    """The check of one part. At most one thread asks at a time, of the process that runs now.

    Times are seconds of one monotonic clock, given by the caller. Silence is counted from the first check that found
    it, never from the last answer: a supervisor that was itself held up for a while blames no part for that.
    """

    def __init__(self, name: str, readiness: Readiness, run: Runner = in_thread) -> None:
        self._name = name
        self._readiness = readiness
        self._run = run
        self._asked: _Asked | None = None
        self._next_check = 0.0
        self._silent_since: float | None = None
        self._told: str | None = None
        self.reason = ""  # of an answer that the part failed

    def begin(self, now: float) -> None:
        """A new process was started: what was asked of the former one is of no interest."""
        self._asked = None
        self._next_check = now
        self._silent_since = None

    def look(self, now: float) -> Answer | None:
        """The answer that has come since the last look, if one has; asks again when it is time to."""
        if self._asked is None and now >= self._next_check:
            self._asked = asked = _Asked(now)
            self._run(lambda: self._ask(asked))
        if self._asked is None:
            return None
        answer = self._asked.answer
        if answer is None:
            overdue = now - self._asked.at > _LONGEST_CHECK_SECONDS
            return self._heard(Answer.SILENT, now) if overdue else None
        self._asked = None
        self._next_check = now + (_CHECK_STARTING_SECONDS if answer in _STARTING else _CHECK_READY_SECONDS)
        return self._heard(answer, now)

    def silent_seconds(self, now: float) -> float:
        return 0.0 if self._silent_since is None else now - self._silent_since

    def excuse(self) -> None:
        """Count silence from the next check: until now the part could not answer, whatever it does."""
        self._silent_since = None

    def _heard(self, answer: Answer, now: float) -> Answer:
        if answer is not Answer.SILENT:
            self._silent_since = None
        elif self._silent_since is None:
            self._silent_since = now
        return answer

    def _ask(self, asked: _Asked) -> None:
        try:
            answer, told = self._readiness.ask(), None
        except NeverReady as error:
            answer, told = Answer.FAILED, None
            self.reason = error.message
        except Exception as error:
            answer, told = Answer.SILENT, repr(error)
            if told != self._told:  # once, not four times a second
                log.exception("the readiness check of %s raised; the part counts as not ready", self._name)
        self._told = told
        asked.answer = answer
