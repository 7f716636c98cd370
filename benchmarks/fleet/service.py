"""The service's own steps, as its workers and its control worker call them, each metered."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import Engine, select

from benchmarks.fleet.broker import SimulatedBroker
from benchmarks.fleet.meters import Meters
from benchmarks.fleet.rows import finish, submit
from benchmarks.fleet.workload import JobSpec
from samfleet.db.models import Run, RunState, Shard
from samfleet.jobs.claim import ClaimedShard, LeaseLost, claim, hand_back, is_held, must_run_alone, renew
from samfleet.jobs.dispatch import dispatch_run
from samfleet.jobs.parts import part_key
from samfleet.jobs.plan import plan_job
from samfleet.jobs.queue import TaskName, wake_after_commit
from samfleet.jobs.record import record
from samfleet.jobs.states import lock_run
from samfleet.jobs.sweep import SweepLimits, Swept, sweep
from samfleet.jobs.variant_turns import fairest_shard
from samfleet.storage.memory_store import MemoryStore

PART_BYTES_PER_IMAGE = 1000


@dataclass(slots=True)
class Service:
    """All steps on one database. `lease` to `shard_time` are the settings of the same names."""

    engine: Engine
    broker: SimulatedBroker
    meters: Meters
    store: MemoryStore
    lease: timedelta
    shard_size: int
    shard_time: timedelta
    shards_in_flight: int
    max_shard_attempts: int
    _sizes: dict[uuid.UUID, tuple[int, int]] = field(default_factory=dict, init=False)  # images of a run, of a shard

    def submit(self, job: JobSpec) -> None:
        with self.meters.transaction(self.engine, "submit") as session:
            submit(session, self.broker, job)

    def plan(self, job_id: uuid.UUID) -> None:
        with self.meters.step("plan"):
            plan_job(
                self.engine,
                self.broker,
                job_id,
                shard_size=self.shard_size,
                shards_in_flight=self.shards_in_flight,
                shard_time=self.shard_time,
            )

    def dispatch(self, run_id: uuid.UUID) -> None:
        with self.meters.transaction(self.engine, "dispatch") as session:
            dispatch_run(session, self.broker, run_id, self.shards_in_flight)

    def find(self, shard_id: int) -> tuple[int, bool]:
        """Return the shard whose turn it is, and True if it must run alone in its worker."""
        with self.meters.transaction(self.engine, "find") as session:
            found = fairest_shard(session, shard_id)
            return found, must_run_alone(session, found)

    def claim(self, shard_id: int, worker: str, *, alone: bool) -> ClaimedShard | None:
        with self.meters.transaction(self.engine, "claim") as session:
            if not alone:
                shard_id = fairest_shard(session, shard_id, with_suspects=False)
            return claim(session, shard_id, worker, self.lease, alone=alone)

    def images_of(self, claimed: ClaimedShard) -> int:
        """Return the number of images of a shard. A claim has them as rows, which the simulation leaves out.

        All shards of a run but the last have the same number, so only the first of a run costs a statement.
        """
        if claimed.run_id not in self._sizes:
            first = select(Run.total, Shard.last_position + 1).join(Shard, Shard.run_id == Run.id)
            with self.meters.transaction(self.engine, "other") as session:
                row = session.execute(first.where(Run.id == claimed.run_id, Shard.index == 0)).one()
            self._sizes[claimed.run_id] = (row[0], row[1])
        total, size = self._sizes[claimed.run_id]
        return min(size, total - claimed.index * size)

    def renew(self, claimed: ClaimedShard) -> bool:
        with self.meters.transaction(self.engine, "renew") as session:
            return renew(session, claimed.shard_id, claimed.token, 0, self.lease)

    def check(self, claimed: ClaimedShard) -> bool:
        with self.meters.transaction(self.engine, "check") as session:
            return is_held(session, claimed.shard_id, claimed.token)

    def record(self, claimed: ClaimedShard, images: int) -> bool:
        """Record a shard whose images have succeeded; False if it was taken over.

        The counters grow by `images` first and `record` gets no rows: it does all else, and undoes both if the token is
        too old.
        """
        key = part_key(claimed.run_id, claimed.index, claimed.token)
        try:
            with self.meters.transaction(self.engine, "record") as session:
                if (locked := lock_run(session, claimed.run_id)) is not None:
                    locked.run.succeeded += images
                    session.flush()
                record(
                    session,
                    self.broker,
                    claimed,
                    (),
                    part_key=key,
                    part_bytes=images * PART_BYTES_PER_IMAGE,
                    store_ms=0.0,
                    shards_in_flight=self.shards_in_flight,
                )
        except LeaseLost:
            return False
        return True

    def hand_back(self, claimed: ClaimedShard) -> bool:
        with self.meters.transaction(self.engine, "hand_back") as session:
            handed = hand_back(session, claimed)
            if handed:
                wake_after_commit(session, self.broker, TaskName.DISPATCH, str(claimed.run_id))
        return handed

    def finish(self, run_id: uuid.UUID) -> bool:
        """Complete the run, without its parts; True if it has ended."""
        with self.meters.transaction(self.engine, "finish") as session:
            finish(session, run_id)
            state = session.scalars(select(Run.state).where(Run.id == run_id)).one()
        return state is RunState.COMPLETED

    def sweep(self) -> Swept:
        limits = SweepLimits(self.shards_in_flight, self.max_shard_attempts, lease=self.lease)
        with self.meters.step("sweep"):
            return sweep(self.engine, self.broker, self.store, limits)
