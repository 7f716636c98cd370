"""Heartbeat: a row that says that this worker is alive and whether its pool's Triton servers are ready."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial

from sqlalchemy import delete, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError

from samfleet.db.models import WorkerHeartbeat
from samfleet.db.session import transaction
from samfleet.logging import get_logger
from samfleet_worker.bootstrap import Services
from samfleet_worker.periodic import PeriodicThread

log = get_logger(__name__)

INTERVAL_SECONDS = 5.0


class Heartbeat:
    def __init__(self, services: Services, interval_seconds: float = INTERVAL_SECONDS) -> None:
        self._services = services
        beat = partial(write_heartbeat, services)
        self._thread = PeriodicThread("heartbeat", interval_seconds, beat, "heartbeat.not_written")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread and delete the row, so that a worker that ended properly does not count as lost."""
        self._thread.stop()
        try:
            with transaction(self._services.engine) as session:
                mine = WorkerHeartbeat.worker == self._services.worker
                session.execute(delete(WorkerHeartbeat).where(mine))
        except SQLAlchemyError as error:
            log.warning("heartbeat.not_removed", reason=str(error))


def write_heartbeat(services: Services) -> None:
    servers = services.segmenter.status()
    seen = {
        "seen_at": func.now(),
        "triton_ready": any(server.ready for server in servers),
        "detail": {"servers": [asdict(server) for server in servers]},
    }
    first = {"worker": services.worker, "pool": services.settings.pool, "started_at": func.now()}
    statement = insert(WorkerHeartbeat).values({**first, **seen})
    with transaction(services.engine) as session:
        session.execute(statement.on_conflict_do_update(index_elements=["worker"], set_=seen))
