"""Stalled runs: the reason of the last failed attempt, kept until an image is recorded.

A released shard is retried, some without limit (`samfleet.jobs.claim.Fault`). Without the reason, a waiting job looks
like a slow one.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func
from sqlalchemy.orm import Session

from samfleet.db.models import LogLevel, Run, RunState
from samfleet.errors import SamfleetError, describe
from samfleet.jobs.log import add_line


@dataclass(frozen=True, slots=True)
class Reason:
    """A stable `code` and a sentence, as in `SamfleetError`."""

    code: str
    message: str

    def __str__(self) -> str:
        """Return code and message; only the message of an unexpected error, which names the exception."""
        return self.message if self.code == SamfleetError.code else f"{self.code}: {self.message}"

    @classmethod
    def of(cls, error: Exception) -> Reason:
        if isinstance(error, SamfleetError):
            return cls(error.code, error.message)
        return cls(SamfleetError.code, describe(error))


def stall(session: Session, run: Run, reason: Reason, *, shard: int | None = None, always: bool = False) -> None:
    """Store on a locked run why it makes no progress; `stalled_since` keeps the time of the first reason.

    The log gets a line if the code is another one than before, or `always`: a server that is away for hours causes one
    line and not thousands. A paused run makes no progress because it is paused.
    """
    if run.state is RunState.PAUSED:
        return
    if always or run.stalled_code != reason.code:
        add_line(session, run, reason.code, reason.message, level=LogLevel.WARNING, shard=shard)
    run.stalled_code, run.stalled_message = reason.code, reason.message
    if run.stalled_since is None:
        run.stalled_since = func.now()


def get_on(run: Run) -> None:
    run.stalled_code = run.stalled_message = run.stalled_since = None
