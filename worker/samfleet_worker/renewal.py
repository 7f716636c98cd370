"""Renewal of a shard's lease while its work progresses: while images finish, not while the process lives.

Work continues while the database is away: the images do not need it, and no lease expires until it has been back for a
while (`samfleet.jobs.sweep`).
"""

from __future__ import annotations

import contextvars
import threading
import time
from datetime import timedelta
from types import TracebackType
from typing import Self

from sqlalchemy.exc import SQLAlchemyError

from samfleet.db.session import transaction
from samfleet.errors import describe
from samfleet.jobs.claim import ClaimedShard, LeaseLost, is_held, renew
from samfleet.logging import get_logger
from samfleet_worker.bootstrap import Services
from samfleet_worker.triton.calls import OpenCalls

log = get_logger(__name__)

RENEWALS_PER_LEASE = 4  # three may fail before the lease is lost
CHECK_SECONDS = 0.5  # a look-up by primary key: a cancelled job holds no slot and no device for longer than a second
LOADING_PATIENCE = timedelta(minutes=30)  # for the pool's lock and for the loads queued before this one
HANGS_AFTER = timedelta(minutes=1)  # a thread that still works returns within this after its lease was abandoned


class WorkerStopping(Exception):
    """This worker was asked to end; the shard is handed back."""


class LeaseKeeper:
    """Thread that renews the lease with the progress so far; the work calls `check`.

    It stops renewing when there was no progress for `patience`: an image may take as long as the timeout for Triton. If
    the work does not return even then, its thread hangs for good and the process is ended.
    """

    def __init__(
        self,
        services: Services,
        claimed: ClaimedShard,
        *,
        loading_patience: timedelta = LOADING_PATIENCE,
        hangs_after: timedelta = HANGS_AFTER,
    ) -> None:
        self._engine = services.engine
        self._claimed = claimed
        self._lease = services.settings.lease
        self._stopping = services.stopping
        self._end_process = services.end_process
        self._image_patience = services.settings.triton_timeout + services.settings.lease
        self._patience = loading_patience
        self._hangs_after = hangs_after
        self._moved_at = time.monotonic()
        self._ended = threading.Event()
        self._lost = threading.Event()
        self.calls = OpenCalls()  # the shard's requests at Triton, cancelled when the work is to stop
        self._counting = threading.Lock()
        self._progress = 0
        ids_of_the_shard = contextvars.copy_context()  # for what the thread logs
        self._thread = threading.Thread(
            target=ids_of_the_shard.run, args=(self._keep,), name=f"lease-{claimed.shard_id}", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def check(self) -> None:
        """Raise `LeaseLost` or `WorkerStopping` if the work is to stop."""
        if self._lost.is_set():
            raise LeaseLost
        if self._stopping.is_set():
            raise WorkerStopping

    def images_begin(self) -> None:
        self._patience = self._image_patience
        self.moved()

    def moved(self) -> None:
        self._moved_at = time.monotonic()

    def images_done(self, count: int) -> None:
        with self._counting:
            self._progress += count
            self._moved_at = time.monotonic()

    def _keep(self) -> None:
        interval_seconds = self._lease.total_seconds() / RENEWALS_PER_LEASE
        renew_at = time.monotonic() + interval_seconds
        while not self._ended.wait(min(CHECK_SECONDS, interval_seconds)):
            if self._is_stalled():
                self._abandon()
                return
            if self._stopping.is_set():
                self.calls.cancel()  # the lease is kept until the shard is handed back or recorded
            is_due = time.monotonic() >= renew_at
            if is_due:
                renew_at = time.monotonic() + interval_seconds
            try:
                held = self._renew() if is_due else self._is_held()
            except SQLAlchemyError as error:
                if is_due:
                    log.warning("lease.not_renewed", shard=self._claimed.shard_id, reason=describe(error))
                continue
            if not held:
                self._lost.set()
                self.calls.cancel()
                return

    def _is_held(self) -> bool:
        with transaction(self._engine) as session:
            return is_held(session, self._claimed.shard_id, self._claimed.token)

    def _is_stalled(self) -> bool:
        return time.monotonic() - self._moved_at > self._patience.total_seconds()

    def _abandon(self) -> None:
        """Let the lease expire; end the process if its thread does not return even then."""
        self._lost.set()
        self.calls.cancel()
        seconds = self._patience.total_seconds()
        log.warning("lease.not_renewed", shard=self._claimed.shard_id, reason=f"no image finished for {seconds:g} s")
        if not self._ended.wait(self._hangs_after.total_seconds()):
            self._end_process(
                f"shard {self._claimed.shard_id} has finished no image for {seconds:g} s and does not end"
            )

    def _renew(self) -> bool:
        claimed = self._claimed
        with transaction(self._engine) as session:
            return renew(session, claimed.shard_id, claimed.token, self._progress, self._lease)
