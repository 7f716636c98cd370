"""A bounded cleaning pass that removes rows and objects of deleted jobs and datasets, and orphaned objects.

One process cleans at a time, separately from the sweeps, which must not wait for it. Every step can be repeated, so a
pass may end at any point.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine, func

from samfleet.datasets.delete import delete_unsealed
from samfleet.db.locks import try_process_lock
from samfleet.db.object_hold import may_delete_objects
from samfleet.db.session import transaction
from samfleet.errors import SamfleetError
from samfleet.jobs.delete import delete_expired
from samfleet.jobs.orphans import delete_orphans
from samfleet.jobs.purge import (
    OutOfTime,
    deleted_datasets,
    deleted_jobs,
    remove_again,
    remove_dataset,
    remove_job,
)
from samfleet.logging import get_logger
from samfleet.storage.store import ObjectStore

log = get_logger(__name__)

LOCK = "samfleet clean"
PREFIXES_AT_ONCE = 20
DATASETS_AT_ONCE = 100
JOBS_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class CleanLimits:
    """Limits of a pass. `grace` exceeds the time for which a written object may have no committed row yet.

    Jobs without a limit of theirs are deleted `keep_days` after their end; None keeps them.
    """

    grace: timedelta
    unsealed_after: timedelta
    orphans_every: timedelta
    keep_days: int | None = None
    pass_seconds: float = 20.0


@dataclass(slots=True)
class Cleaned:
    """Removals of a pass by kind, for the log and the metrics."""

    jobs_removed: int = 0
    datasets_removed: int = 0
    unsealed_deleted: int = 0
    jobs_expired: int = 0
    prefixes_emptied: int = 0
    orphans_deleted: int = 0
    exports_expired: int = 0

    def counts(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in self.__slots__ if getattr(self, name)}


def clean(engine: Engine, store: ObjectStore, limits: CleanLimits) -> Cleaned:
    """Run a pass, unless another process is cleaning or a backup holds the objects.

    A failure of the store is logged; the next pass retries.
    """
    cleaned = Cleaned()
    with try_process_lock(engine, LOCK) as held, may_delete_objects(engine) as allowed:
        if held and allowed:
            try:
                _clean(engine, store, limits, cleaned)
            except OutOfTime:
                log.info("clean.interrupted", **cleaned.counts())
    return cleaned


def _clean(engine: Engine, store: ObjectStore, limits: CleanLimits, cleaned: Cleaned) -> None:
    deadline = time.monotonic() + limits.pass_seconds
    with transaction(engine) as session:
        stale = delete_unsealed(session, func.now() - limits.unsealed_after, DATASETS_AT_ONCE)
    cleaned.unsealed_deleted = len(stale)
    with transaction(engine) as session:
        cleaned.jobs_expired = len(delete_expired(session, limits.keep_days, JOBS_AT_ONCE))
    with transaction(engine) as session:
        jobs = deleted_jobs(session)
    for job_id in jobs:
        cleaned.jobs_removed += _tried(remove_job, engine, store, job_id, grace=limits.grace, deadline=deadline)
    with transaction(engine) as session:
        datasets = deleted_datasets(session)
    for dataset_id in datasets:
        cleaned.datasets_removed += _tried(
            remove_dataset, engine, store, dataset_id, grace=limits.grace, deadline=deadline
        )
    cleaned.prefixes_emptied = remove_again(engine, store, PREFIXES_AT_ONCE)
    cleaned.orphans_deleted = delete_orphans(engine, store, grace=limits.grace, interval=limits.orphans_every)


def _tried(remove: Callable[..., None], engine: Engine, store: ObjectStore, subject: Any, **limits: Any) -> int:
    """Remove one job or dataset and return 1; on a failure log it and return 0, so that the others are removed."""
    try:
        remove(engine, store, subject, **limits)
    except SamfleetError as error:
        log.warning("clean.failed", subject=str(subject), code=error.code, reason=error.message)
        return 0
    return 1
