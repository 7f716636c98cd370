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
from samfleet.jobs.leases import ClaimedShard, LeaseLost, is_held, renew
from samfleet.logging import get_logger
from samfleet_worker.bootstrap import Services
from samfleet_worker.triton.calls import OpenCalls

log = get_logger(__name__)

RENEWALS_PER_LEASE = 4  # three may go wrong before the lease is lost
CHECK_SECONDS = 0.5  # a look-up by primary key: a cancelled job holds no slot and no device for longer than a second


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
        self.calls = OpenCalls()  # the shard's requests at Triton, which end when there is no point in doing more
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
        next_at = renewed_at + lease_seconds / RENEWALS_PER_LEASE
        while not self._ended.wait(min(CHECK_SECONDS, lease_seconds / RENEWALS_PER_LEASE)):
            attempt_at = time.monotonic()
            try:
                if attempt_at >= next_at:
                    held = self._renew()
                    renewed_at, next_at = attempt_at, attempt_at + lease_seconds / RENEWALS_PER_LEASE
                else:
                    held = self._is_held()
            except SQLAlchemyError as error:
                log.warning("lease.not_renewed", shard=self._claimed.shard_id, reason=str(error))
                held = attempt_at - renewed_at < lease_seconds
            if self._stopping.is_set():
                self.calls.cancel()  # the lease is kept until the shard is handed back or recorded
            if not held:
                self._lost.set()
                self.calls.cancel()
                return

    def _is_held(self) -> bool:
        with transaction(self._engine) as session:
            return is_held(session, self._claimed.shard_id, self._claimed.token)

    def _renew(self) -> bool:
        claimed = self._claimed
        with transaction(self._engine) as session:
            return renew(session, claimed.shard_id, claimed.token, self._progress, self._lease)
