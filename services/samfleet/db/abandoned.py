"""Transactions whose client has stopped while it holds locks that others wait for.

The server ends a transaction that is idle for half a minute (`samfleet.db.session`). But it stops that clock for some
messages of a pipeline, such as a flush, and starts it again only at the pipeline's next synchronisation: a client that
is stopped between the two holds its locks until it goes on. `pg_stat_activity` still shows it as idle.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Engine, text

from samfleet.db.locks import CLASS as PROCESS_LOCKS
from samfleet.db.session import IDLE_SECONDS, transaction
from samfleet.logging import get_logger

log = get_logger(__name__)

IDLE = timedelta(seconds=IDLE_SECONDS)
_END = text("""
    SELECT idle.pid, pg_terminate_backend(idle.pid) AS ended, left(idle.query, 200) AS statement
    FROM pg_stat_activity AS idle
    WHERE idle.datname = current_database() AND idle.usename = current_user
      AND idle.state IN ('idle in transaction', 'idle in transaction (aborted)')
      AND idle.state_change < clock_timestamp() - :idle
      AND EXISTS (
          SELECT FROM pg_stat_activity AS waiting
          WHERE waiting.wait_event_type = 'Lock' AND idle.pid = ANY(pg_blocking_pids(waiting.pid))
            AND NOT EXISTS (
                SELECT FROM pg_locks WHERE pid = waiting.pid AND NOT granted AND locktype = 'advisory'
                  AND objsubid = 2 AND classid::bigint = :process_locks
            )
      )
""")


def end_abandoned(engine: Engine, idle: timedelta = IDLE) -> int:
    """End the connections of this database's user whose transactions are idle for that time and block others.

    Returns their number. A transaction that may be idle (`allow_idle`) holds no locks that others wait for, except a
    lock between processes: those that wait for it wait for the holder's work, during which its transaction is idle.
    """
    with transaction(engine) as session:
        ended = session.execute(_END, {"idle": idle, "process_locks": PROCESS_LOCKS}).all()
    for row in ended:
        log.warning("transaction.ended", pid=row.pid, ended=row.ended, statement=row.statement)
    return len(ended)
