"""Readiness checks of a part in a thread, so that a hanging part does not block the others."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from samfleet_cli.local_stack.part import Answer, NeverReady, Readiness

_CHECK_STARTING_SECONDS = 0.25
_CHECK_READY_SECONDS = 5.0
_STARTING = {Answer.BUSY, Answer.SILENT}
_LONGEST_CHECK_SECONDS = 10.0  # every check has its own timeout; one that takes longer than this counts as silent

log = logging.getLogger(__name__)

Runner = Callable[[Callable[[], None]], None]


def in_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="readiness", daemon=True).start()


@dataclass(slots=True)
class _Asked:
    at: float
    answer: Answer | None = None


class Watch:
    """Checks of one part. At most one thread checks the current process at a time.

    The caller passes times in seconds of a monotonic clock. Silence counts from the first silent check, not from the
    last reply, so that a delay of the supervisor itself does not count as silence of the part.
    """

    def __init__(self, name: str, readiness: Readiness, run: Runner = in_thread) -> None:
        self._name = name
        self._readiness = readiness
        self._run = run
        self._asked: _Asked | None = None
        self._next_check = 0.0
        self._silent_since: float | None = None
        self._told: str | None = None
        self.reason = ""  # reason of `Answer.FAILED`

    def begin(self, now: float) -> None:
        """Start watching a new process and discard checks of the former one."""
        self._asked = None
        self._next_check = now
        self._silent_since = None

    def look(self, now: float) -> Answer | None:
        """Return the result of a check that has finished since the last look, if any; start the next one when due."""
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
        """Reset the silence, because the part could not respond until now."""
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
