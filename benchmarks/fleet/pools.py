"""Simulated workers of pools, and how much of their time they work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.fleet.workload import PoolSpec
from samfleet.jobs.claim import ClaimedShard


@dataclass(slots=True, eq=False)
class Hold:
    """A shard in a worker. A dropped one was lost with its worker: none of its later events has an effect.

    A silent one belongs to a worker that hangs: it renews nothing, and records when it is too late.
    """

    claimed: ClaimedShard
    images: int
    alone: bool
    dropped: bool = False
    silent: bool = False


@dataclass(slots=True, eq=False)
class Worker:
    """A worker process with `slots` shards at a time; a suspect runs alone and waits until the others have ended."""

    name: str
    slots: int
    up: bool = True
    holds: list[Hold] = field(default_factory=list)
    suspect: int | None = None  # waits for the worker to be empty

    @property
    def is_free(self) -> bool:
        alone = self.suspect is not None or any(hold.alone for hold in self.holds)
        return self.up and not alone and len(self.holds) < self.slots

    def leave(self) -> Sequence[Hold]:
        """Stop the worker and return the shards that it held."""
        held, self.holds, self.suspect, self.up = self.holds, [], None, False
        return held


@dataclass(slots=True, eq=False)
class Pool:
    """A pool with its account of slot seconds: busy, idle while shards waited, idle without work, and away."""

    spec: PoolSpec
    workers: list[Worker]
    busy: float = 0.0
    wasted: float = 0.0
    idle: float = 0.0
    away: float = 0.0
    _since: float = 0.0

    @classmethod
    def of(cls, spec: PoolSpec) -> Pool:
        return cls(spec, [Worker(f"{spec.name}-{number}", spec.slots) for number in range(spec.workers)])

    def account(self, now: float, unclaimed: int) -> None:
        """Add the time since the last change; call it before a change. `unclaimed` images wait in the pool."""
        passed, self._since = now - self._since, now
        for worker in self.workers:
            if not worker.up:
                self.away += passed * worker.slots
                continue
            busy = len(worker.holds)
            self.busy += passed * busy
            if unclaimed > 0:
                self.wasted += passed * (worker.slots - busy)
            else:
                self.idle += passed * (worker.slots - busy)

    @property
    def utilisation(self) -> float | None:
        """Return the share of the slot seconds with work in which a slot worked; None for a pool without work."""
        wanted = self.busy + self.wasted
        return self.busy / wanted if wanted else None
