"""Readiness checks of the parts behind the API. Each runs in its own thread; all share one deadline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from sqlalchemy import Engine, text

from samfleet.db.session import read_only
from samfleet.errors import SamfleetError
from samfleet.jobs.queue import TaskQueue
from samfleet.logging import get_logger
from samfleet.storage.store import ObjectStore
from samfleet_api.health.schemas import Check
from samfleet_api.pools.repository import fresh_heartbeats
from samfleet_api.pools.schemas import PoolHealth

DEADLINE_SECONDS = 3.0  # a part that takes longer is useless to a request
PROBE_KEY = "readyz/probe"  # need not exist: any response shows that the store works

log = get_logger(__name__)


class NotReady(SamfleetError):
    """This part is not ready."""

    code = "not_ready"


def check_database(engine: Engine) -> str:
    with read_only(engine) as session:
        session.execute(text("SELECT 1"))
    return "responds"


def check_broker(queue: TaskQueue) -> str:
    queue.ping()
    return "responds"


def check_storage(store: ObjectStore) -> str:
    store.exists(PROBE_KEY)
    return "responds"


def check_pools(engine: Engine, names: Sequence[str]) -> str:
    """Require for each configured pool a live worker that reaches a ready Triton."""
    with read_only(engine) as session:
        heartbeats = fresh_heartbeats(session)
    pools = [PoolHealth.of(name, heartbeats) for name in names]
    detail = "; ".join(f"{pool.name}: {_describe(pool)}" for pool in pools)
    if not all(pool.ready for pool in pools):
        raise NotReady(detail)
    return detail


def _describe(pool: PoolHealth) -> str:
    if not pool.workers:
        return "no worker"
    return f"{len(pool.workers)} worker(s), Triton {'ready' if pool.ready else 'not ready'}"


class Probes:
    """One thread per check. A check that still hangs is not started again, so that an unavailable part occupies only
    its own thread, however often readiness is requested.
    """

    def __init__(self, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        self._deadline_seconds = deadline_seconds
        self._executors: dict[str, ThreadPoolExecutor] = {}
        self._running: dict[str, Future[Check]] = {}

    async def run(self, checks: Mapping[str, Callable[[], str]]) -> dict[str, Check]:
        started = time.perf_counter()
        futures = {name: self._started(name, check) for name, check in checks.items()}
        waited = [asyncio.wrap_future(future) for future in futures.values()]
        await asyncio.wait(waited, timeout=self._deadline_seconds)
        return {name: _result(future, started) for name, future in futures.items()}

    def close(self) -> None:
        for executor in self._executors.values():
            executor.shutdown(wait=False, cancel_futures=True)

    def _started(self, name: str, check: Callable[[], str]) -> Future[Check]:
        running = self._running.get(name)
        if running is None or running.done():
            executor = self._executors.setdefault(name, ThreadPoolExecutor(1, thread_name_prefix=f"readyz-{name}"))
            running = self._running[name] = executor.submit(_timed, name, check)
        return running


def _timed(name: str, check: Callable[[], str]) -> Check:
    started = time.perf_counter()
    try:
        ok, detail = True, check()
    except NotReady as error:
        ok, detail = False, error.message
    except Exception as error:
        log.warning("readiness.failed", check=name, exc_info=error)
        ok, detail = False, f"does not respond ({type(error).__name__})"
    return Check(ok=ok, detail=detail, ms=_since(started))


def _result(future: Future[Check], started: float) -> Check:
    if future.done():
        return future.result()
    return Check(ok=False, detail="timed out", ms=_since(started))


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
