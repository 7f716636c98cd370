"""Why a run does not get on: the reason of its last failed attempt, until an image is recorded.

A shard that goes back is tried again and again, some for ever (`samfleet.jobs.claim.Blame`). Without the reason, a job
that waits looks like one that is slow.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func

from samfleet.db.models import Run
from samfleet.errors import SamfleetError, describe


@dataclass(frozen=True, slots=True)
class Reason:
    """A stable `code` and a sentence for people, as every error of ours has them."""

    code: str
    message: str

    def __str__(self) -> str:
        """Of what nobody foresaw the message alone, which names the exception."""
        return self.message if self.code == SamfleetError.code else f"{self.code}: {self.message}"

    @classmethod
    def of(cls, error: Exception) -> Reason:
        if isinstance(error, SamfleetError):
            return cls(error.code, error.message)
        return cls(SamfleetError.code, describe(error))


def stall(run: Run, reason: Reason) -> None:
    """Say on a locked run why it does not get on; `stalled_since` stays that of the first of several reasons."""
    run.stalled_code, run.stalled_message = reason.code, reason.message
    if run.stalled_since is None:
        run.stalled_since = func.now()


def get_on(run: Run) -> None:
    run.stalled_code = run.stalled_message = run.stalled_since = None
