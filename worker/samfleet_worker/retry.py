"""What follows when an attempt at a shard fails: a pure decision from the error and the attempts before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from samfleet.errors import SamfleetError, describe
from samfleet.licences import LicenceNotAccepted
from samfleet.variants.catalogue import VariantNotFound
from samfleet.variants.task import TaskInvalid
from samfleet_worker.triton.errors import TritonRefused, VariantLoadFailed

MOST_SECONDS = 30
# What no further attempt can change, because it lies in the deployment or in the run itself.
RUN_ENDING = (LicenceNotAccepted, TaskInvalid, TritonRefused, VariantLoadFailed, VariantNotFound)


@dataclass(frozen=True, slots=True)
class TryAgain:
    """`surprising` errors are logged with their traceback: nobody foresaw them."""

    after: timedelta
    reason: str
    surprising: bool


@dataclass(frozen=True, slots=True)
class FailRun:
    code: str
    reason: str


def decide(error: Exception, attempts: int) -> TryAgain | FailRun:
    """Back-off doubles from one second to thirty, so that a restarting Triton is found soon and not pestered."""
    if isinstance(error, RUN_ENDING):
        return FailRun(error.code, error.message)
    after = timedelta(seconds=min(2 ** min(attempts, 10), MOST_SECONDS))
    if isinstance(error, SamfleetError):
        return TryAgain(after, f"{error.code}: {error.message}", surprising=not error.retryable)
    return TryAgain(after, describe(error), surprising=True)
