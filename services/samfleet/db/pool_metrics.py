from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine
from sqlalchemy.pool import QueuePool

from samfleet.metrics import DATABASE_CONNECTIONS


class PoolCollector(Collector):
    """Collector of an engine's connection counts; empty for an engine without a connection pool."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        pool = self._engine.pool
        if isinstance(pool, QueuePool):
            yield DATABASE_CONNECTIONS.family(
                {
                    ("in_use",): pool.checkedout(),
                    ("idle",): pool.checkedin(),
                    ("limit",): pool.size() + pool._max_overflow,  # noqa: SLF001 - SQLAlchemy has no public accessor
                }
            )
