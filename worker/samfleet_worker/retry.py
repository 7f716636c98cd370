"""Decision after a failed attempt at a shard: a pure function of the error and the attempts before.

An outage (of Triton, a store or the database) counts no attempt, however long it lasts. An error that any shard in
flight may have caused counts only for a shard that was alone in its worker.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from samfleet.errors import SamfleetError
from samfleet.jobs.abandon import DATABASE_AWAY
from samfleet.jobs.claim import Fault
from samfleet.jobs.queue import QueueUnavailable
from samfleet.jobs.stall import Reason
from samfleet.licences import LicenceNotAccepted
from samfleet.storage.store import StorageFull, StorageUnavailable
from samfleet.variants.catalogue import VariantNotFound
from samfleet.variants.task import TaskInvalid
from samfleet_worker.triton.errors import ModelProcessDied, TritonRefused, TritonUnavailable, VariantLoadFailed

MOST_SECONDS = 30
MOST_ASKED_SECONDS = 300  # that a server which throttles may ask for
# Outages, which end when the part is back.
AWAY = (TritonUnavailable, StorageUnavailable, StorageFull, QueueUnavailable, *DATABASE_AWAY)
# Errors that no further attempt can avoid: the cause is in the deployment or in the run itself.
RUN_ENDING = (LicenceNotAccepted, TaskInvalid, TritonRefused, VariantLoadFailed, VariantNotFound)


@dataclass(frozen=True, slots=True)
class TryAgain:
    """Release the shard for another attempt. `surprising` errors are unforeseen and logged with their traceback."""

    after: timedelta
    reason: Reason
    surprising: bool
    fault: Fault = Fault.SHARD


@dataclass(frozen=True, slots=True)
class FailRun:
    code: str
    reason: str


def decide(error: Exception, attempts: int, waits: int = 0) -> TryAgain | FailRun:
    """Decide what follows from the error.

    The back-off doubles from one second to thirty, so that a restarting Triton is found soon and not overloaded. A
    server that throttles can prolong it to `MOST_ASKED_SECONDS`.
    """
    if isinstance(error, RUN_ENDING):
        return FailRun(error.code, error.message)
    fault = _fault_of(error)
    seconds = min(2 ** min(waits if fault is Fault.NOBODY else attempts, 10), MOST_SECONDS)
    asked = (error.retry_after_seconds or 0) if isinstance(error, SamfleetError) else 0
    after = timedelta(seconds=max(seconds, min(asked, MOST_ASKED_SECONDS)))
    surprising = not error.retryable if isinstance(error, SamfleetError) else fault is Fault.SHARD
    return TryAgain(after, Reason.of(error), surprising, fault)


def _fault_of(error: Exception) -> Fault:
    if isinstance(error, AWAY):
        return Fault.NOBODY
    return Fault.UNCERTAIN if isinstance(error, ModelProcessDied) else Fault.SHARD
