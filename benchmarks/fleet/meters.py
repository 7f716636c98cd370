"""Statements, transactions and times of the service's steps, by the name of the step.

Wall times on a busy machine are mostly waits for a processor. So each step also has the processor time of this process
and of PostgreSQL's processes for it, in nanoseconds from Linux.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

from samfleet.db.session import transaction


class Taken(NamedTuple):
    """One call of a step: the open images at the time, and seconds of wall time and of each side's processor time."""

    open_images: int
    wall: float
    python: float
    database: float


@dataclass(slots=True)
class Backends:
    """The server processes of an engine's connections."""

    pids: set[int] = field(default_factory=set)

    def watch(self, engine: Engine) -> None:
        event.listen(engine, "connect", self._add)

    def seconds(self) -> float:
        """Return the processor seconds that they have spent."""
        return sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in self.pids) / 1e9

    def _add(self, connection: Any, _: Any) -> None:
        self.pids.add(connection.info.backend_pid)


@dataclass(slots=True)
class Meters:
    """Counters of one engine. Statements are those that reach the driver, without BEGIN and COMMIT."""

    statements: Counter[str] = field(default_factory=Counter)
    transactions: Counter[str] = field(default_factory=Counter)
    times: dict[str, list[Taken]] = field(default_factory=lambda: defaultdict(list))
    open_images: int = 0  # at the time of a step, for its growth with the queue
    backends: Backends = field(default_factory=Backends)
    _step: str = "other"

    def watch(self, engine: Engine) -> None:
        self.backends.watch(engine)
        event.listen(engine, "before_cursor_execute", self._count)
        event.listen(engine, "begin", self._begin)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Count what happens within as this step, and keep its wall time."""
        outer, self._step = self._step, name
        start, python, database = time.perf_counter(), time.process_time(), self.backends.seconds()
        try:
            yield
        finally:
            wall, python = time.perf_counter() - start, time.process_time() - python
            self.times[name].append(Taken(self.open_images, wall, python, self.backends.seconds() - database))
            self._step = outer

    @contextmanager
    def transaction(self, engine: Engine, name: str) -> Iterator[Session]:
        with self.step(name), transaction(engine) as session:
            yield session

    def summary(self) -> dict[str, Any]:
        """Return for each step its calls, its statements and its times."""
        return {name: self._row(name, taken) for name, taken in sorted(self.times.items())}

    def _row(self, name: str, taken: Sequence[Taken]) -> dict[str, Any]:
        return {
            "calls": len(taken),
            "statements_per_call": round(self.statements[name] / len(taken), 2),
            "transactions_per_call": round(self.transactions[name] / len(taken), 2),
            **times(taken),
            "by_open_images": _growth(taken),
        }

    def _count(self, *_: Any) -> None:
        self.statements[self._step] += 1

    def _begin(self, *_: Any) -> None:
        self.transactions[self._step] += 1


def times(taken: Sequence[Taken]) -> dict[str, float]:
    """Return milliseconds of a call: wall time p50 and p95, and the mean processor time of either side."""
    wall = [1e3 * one.wall for one in taken]
    return {
        "p50_ms": round(float(np.percentile(wall, 50)), 2),
        "p95_ms": round(float(np.percentile(wall, 95)), 2),
        "python_cpu_ms": round(1e3 * sum(one.python for one in taken) / len(taken), 3),
        "database_cpu_ms": round(1e3 * sum(one.database for one in taken) / len(taken), 3),
    }


def _growth(taken: Sequence[Taken]) -> list[dict[str, float]]:
    """Return the database's processor time in each quarter of the calls, ordered by the open images at their time."""
    ordered = sorted(taken)
    quarters = [ordered[len(ordered) * q // 4 : len(ordered) * (q + 1) // 4] for q in range(4)]
    return [
        {
            "open_images": part[len(part) // 2].open_images,
            "database_cpu_ms": round(1e3 * sum(one.database for one in part) / len(part), 3),
        }
        for part in quarters
        if part
    ]
