"""Transactions whose client has stopped within a COPY while it holds locks that others wait for.

PostgreSQL counts a COPY that waits for its client's data as work: neither the limit on idle transactions nor one on
statements ends it (`samfleet.db.abandoned` ends those that it shows as idle).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Engine, text

from samfleet.db.session import IDLE_SECONDS, transaction
from samfleet.logging import get_logger

log = get_logger(__name__)

_WAITING = text("""
    SELECT copying.pid, copying.query_start, progress.bytes_processed
    FROM pg_stat_activity AS copying JOIN pg_stat_progress_copy AS progress ON progress.pid = copying.pid
    WHERE copying.datname = current_database() AND copying.usename = current_user
      AND copying.state = 'active' AND copying.wait_event = 'ClientRead'
      AND EXISTS (
          SELECT FROM pg_stat_activity AS waiting
          WHERE waiting.wait_event_type = 'Lock' AND copying.pid = ANY(pg_blocking_pids(waiting.pid))
      )
""")
_END = text("SELECT pg_terminate_backend(:pid)")

Progress = tuple[datetime, int]  # start of the statement and bytes of it that have arrived


@dataclass(slots=True)
class StoppedCopies:
    """Finder of these transactions, which remembers how far each COPY was when it was last looked at.

    `end` is called again and again. It ends a connection that has blocked others in each call for `idle_seconds`
    without new data.
    """

    engine: Engine
    idle_seconds: float = IDLE_SECONDS
    clock: Callable[[], float] = time.monotonic
    _seen: dict[int, tuple[Progress, float]] = field(default_factory=dict, init=False)

    def end(self) -> int:
        """End the connections of this database's user that have stopped, and return their number."""
        ended, now = 0, self.clock()
        with transaction(self.engine) as session:
            found = {row.pid: (row.query_start, row.bytes_processed) for row in session.execute(_WAITING)}
            self._seen = {pid: self._first_seen(pid, progress, now) for pid, progress in found.items()}
            for pid, (_, since) in self._seen.items():
                if now - since >= self.idle_seconds:
                    session.execute(_END, {"pid": pid})
                    log.warning("copy.ended", pid=pid)
                    ended += 1
        return ended

    def _first_seen(self, pid: int, progress: Progress, now: float) -> tuple[Progress, float]:
        before = self._seen.get(pid)
        return before if before is not None and before[0] == progress else (progress, now)
