"""Keeping a shard's lease alive while it is worked on."""

from __future__ import annotations

import contextvars
import threading
import time
from datetime import timedelta
from types import TracebackType
from typing import Self

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from samfleet.db.session import transaction
from samfleet.jobs.leases import ClaimedShard, LeaseLost, renew
from samfleet.logging import get_logger
from samfleet_worker.bootstrap import Services

log = get_logger(__name__)

RENEWALS_PER_LEASE = 4  # three may go wrong before the lease is lost


class WorkerStopping(Exception):
    """This worker was asked to end; the shard is handed back."""


class LeaseKeeper:
    """A thread that renews the lease with the progress so far, and `check` for those who do the work."""

    def __init__(self, engine: Engine, claimed: ClaimedShard, lease: timedelta, stopping: threading.Event) -> None:
        self._engine = engine
        self._claimed = claimed
        self._lease = lease
        self._stopping = stopping
        self._ended = threading.Event()
        self._lost = threading.Event()
        self._counting = threading.Lock()
        self._progress = 0
        ids_of_the_shard = contextvars.copy_context()  # for the lines that the thread logs
        self._thread = threading.Thread(
            target=ids_of_the_shard.run, args=(self._keep,), name=f"lease-{claimed.shard_id}", daemon=True
        )

    @classmethod
    def of(cls, services: Services, claimed: ClaimedShard) -> Self:
        return cls(services.engine, claimed, services.settings.lease, services.stopping)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def check(self) -> None:
        """Raises `LeaseLost` or `WorkerStopping` when there is no point in doing more."""
        if self._lost.is_set():
            raise LeaseLost
        if self._stopping.is_set():
            raise WorkerStopping

    def image_done(self) -> None:
        with self._counting:
            self._progress += 1

    def _keep(self) -> None:
        lease_seconds = self._lease.total_seconds()
        renewed_at = time.monotonic()
        while not self._ended.wait(lease_seconds / RENEWALS_PER_LEASE):
            attempt_at = time.monotonic()
            try:
                held = self._renew()
            except SQLAlchemyError as error:
                log.warning("lease.not_renewed", shard=self._claimed.shard_id, reason=str(error))
                held = attempt_at - renewed_at < lease_seconds
            else:
                renewed_at = attempt_at
            if not held:
                self._lost.set()
                return

    def _renew(self) -> bool:
        claimed = self._claimed
        with transaction(self._engine) as session:
            return renew(session, claimed.shard_id, claimed.token, self._progress, self._lease)
