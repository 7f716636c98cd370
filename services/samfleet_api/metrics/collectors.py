"""State of the fleet during a scrape. A part that does not respond counts as down, and its metrics are left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from samfleet import metrics
from samfleet.db.models import JobState, RunState
from samfleet.db.session import read_only
from samfleet.jobs.queue import CONTROL_QUEUE, QueueUnavailable, TaskQueue, pool_queue
from samfleet.logging import get_logger
from samfleet_api.metrics import repository
from samfleet_api.pools.repository import fresh_heartbeats
from samfleet_api.pools.schemas import PoolHealth

log = get_logger(__name__)


class FleetCollector(Collector):
    def __init__(self, engine: Engine, queue: TaskQueue, pools: Sequence[str]) -> None:
        self._engine = engine
        self._queue = queue
        self._pools = pools

    def describe(self) -> Iterable[Metric]:
        """Return nothing: registration must not query the database."""
        return ()

    def collect(self) -> Iterator[Metric]:
        up: dict[tuple[str, ...], float] = {("database",): 1, ("broker",): 1}
        try:
            yield from self._from_database()
        except SQLAlchemyError as error:
            log.warning("metrics.incomplete", missing="database", reason=str(error))
            up["database",] = 0
        try:
            yield self._queues()
        except QueueUnavailable as error:
            log.warning("metrics.incomplete", missing="broker", reason=error.message)
            up["broker",] = 0
        yield metrics.DEPENDENCY_UP.family(up)

    def _from_database(self) -> list[Metric]:
        with read_only(self._engine) as session:
            jobs, runs = repository.count_jobs(session), repository.count_runs(session)
            shards, waits = repository.count_shards_in_flight(session), repository.longest_waits(session)
            overdue, heartbeats = repository.count_overdue_leases(session), fresh_heartbeats(session)
            waiting = repository.waiting_messages(session)
        pools = [PoolHealth.of(name, heartbeats) for name in self._pools]
        no_runs: dict[tuple[str, ...], float] = {(pool, state.value): 0 for pool in self._pools for state in RunState}
        no_shards: dict[tuple[str, ...], float] = {
            (pool, state.value): 0 for pool in self._pools for state in repository.IN_FLIGHT
        }
        return [
            metrics.JOBS.family({(state.value,): jobs.get(state.value, 0) for state in JobState}),
            metrics.RUNS.family({**no_runs, **runs}),
            metrics.SHARDS_IN_FLIGHT.family({**no_shards, **shards}),
            metrics.OLDEST_SHARD.family({(pool,): waits.get(pool, 0) for pool in {*self._pools, *waits}}),
            metrics.LEASES_OVERDUE.family({(): overdue}),
            metrics.WEBHOOKS_PENDING.family({(): waiting.messages}),
            metrics.WEBHOOKS_OLDEST.family({(): waiting.oldest}),
            metrics.WEBHOOKS_OVERDUE.family({(): waiting.overdue}),
            metrics.WORKERS.family({(pool.name,): len(pool.workers) for pool in pools}),
            metrics.POOL_READY.family({(pool.name,): pool.ready for pool in pools}),
        ]

    def _queues(self) -> Metric:
        names = [CONTROL_QUEUE, *map(pool_queue, self._pools)]
        return metrics.QUEUE_DEPTH.family({(name,): self._queue.waiting(name) for name in names})
