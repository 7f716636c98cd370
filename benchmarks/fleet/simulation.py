"""The loop of events: an event calls steps of the service, and its effects are later events."""

from __future__ import annotations

import random
import uuid
from functools import partial

from benchmarks.fleet.clock import SimulatedClock
from benchmarks.fleet.events import Events
from benchmarks.fleet.fairness import Fairness
from benchmarks.fleet.journal import Journal
from benchmarks.fleet.pools import Hold, Pool, Worker
from benchmarks.fleet.service import Service
from benchmarks.fleet.workload import JobSpec, Workload, run_of
from samfleet.jobs.queue import TaskName, pool_queue

SPREAD = 0.25  # standard deviation of the logarithm of a shard's time
MESSAGE_SECONDS = 0.01  # from a commit to a worker or the control worker
SWEEP_SECONDS = 5.0
RENEWALS_PER_LEASE = 4  # as in samfleet_worker.renewal
CLAIMS_PER_CHECK = 10  # each look costs the same, so a tenth of the shards is enough to measure it
LATE_SECONDS = 10.0  # by which a worker that hangs outlasts its lease
PATIENCE = 50  # times the least time of the work, plus an hour


class SimulationStuck(Exception):
    """Jobs did not end in many times the time that their images take."""


class Simulation:
    """One run of a workload on a service whose database has the clock."""

    def __init__(self, service: Service, clock: SimulatedClock, workload: Workload, draw: random.Random) -> None:
        self.service = service
        self.draw = draw
        self.events = Events(clock)
        self.journal = Journal()
        self.fairness = Fairness({tenant.id: tenant.weight for tenant in workload.tenants})
        self.pools = {spec.name: Pool.of(spec) for spec in workload.pools}
        self._jobs = {run_of(job.id): job for job in workload.jobs}
        self._claims = 0
        self._open = len(workload.jobs)
        self._latest = PATIENCE * workload.least_seconds + 3600
        self._awake: dict[str, None] = {}  # pools with a new message or a free slot, in order
        self._lost: set[int] = set()  # shards whose holder is gone without handing back
        service.broker.sent = self._sent
        for job in workload.jobs:
            self.events.after(job.at, partial(service.submit, job))
        self.events.after(SWEEP_SECONDS, self._sweep)

    @property
    def is_over(self) -> bool:
        return self._open == 0

    def run(self) -> None:
        """Process events until all jobs have ended. Raises `SimulationStuck`."""
        for act in self.events.pop_all():
            act()
            while self._awake:
                name = next(iter(self._awake))
                del self._awake[name]
                self._offer(self.pools[name])
            if self.is_over:
                break
            if self.events.now > self._latest:
                raise SimulationStuck(f"{self._open} jobs are open after {self.events.now:.0f} simulated seconds")
        for pool in self.pools.values():
            self.account(pool)

    def account(self, pool: Pool) -> None:
        pool.account(self.events.now, self.fairness.unclaimed[pool.spec.name].total())

    def wake(self, pool: str) -> None:
        self._awake[pool] = None

    def lose(self, hold: Hold) -> None:
        """Drop a shard whose worker is gone; its lease expires."""
        hold.dropped = True
        self._lost.add(hold.claimed.shard_id)

    def hand_back(self, hold: Hold) -> None:
        hold.dropped = True
        if self.service.hand_back(hold.claimed):
            self.fairness.opened(hold.claimed.pool, self._job(hold).tenant.id, hold.images)

    def _sent(self, queue: str, task: str, args: tuple[str | int, ...], countdown: float) -> None:
        self.events.after(countdown + MESSAGE_SECONDS, partial(self._receive, queue, task, args))

    def _receive(self, queue: str, task: str, args: tuple[str | int, ...]) -> None:
        if task == TaskName.SEGMENT:
            self.service.broker.keep(queue, int(args[0]))
            self.wake(queue.removeprefix(pool_queue("")))
        elif task == TaskName.PLAN:
            self._plan(uuid.UUID(str(args[0])))
        elif task == TaskName.DISPATCH:
            self.service.dispatch(uuid.UUID(str(args[0])))
        elif task == TaskName.FINISH:
            self._finish(uuid.UUID(str(args[0])))
        else:
            raise ValueError(f"task {task} is not simulated")

    def _plan(self, job_id: uuid.UUID) -> None:
        job = self._jobs[run_of(job_id)]
        self.account(self.pools[job.pool])
        self.service.plan(job_id)
        self.fairness.opened(job.pool, job.tenant.id, job.images)
        self.service.meters.open_images += job.images

    def _finish(self, run_id: uuid.UUID) -> None:
        if self.service.finish(run_id):
            self._open -= 1
            self.journal.ended(self._jobs[run_id], self.events.now)

    def _sweep(self) -> None:
        swept = self.service.sweep()
        for name in swept.__slots__:
            self.journal.events[f"sweep_{name}"] += getattr(swept, name)
        if not self.is_over:
            self.events.after(SWEEP_SECONDS, self._sweep)

    def _offer(self, pool: Pool) -> None:
        """Let the free slots of a pool take messages, the workers in turn."""
        queue = pool_queue(pool.spec.name)
        while free := [worker for worker in pool.workers if worker.is_free]:
            message = self.service.broker.take(queue)
            if message is None:
                return
            self._take(pool, min(free, key=lambda worker: len(worker.holds)), message)

    def _take(self, pool: Pool, worker: Worker, message: int) -> None:
        shard_id, alone = self.service.find(message)
        if alone and worker.holds:
            worker.suspect = shard_id
        else:
            self._claim(pool, worker, shard_id, alone=alone)

    def _claim(self, pool: Pool, worker: Worker, shard_id: int, *, alone: bool) -> None:
        claimed = self.service.claim(shard_id, worker.name, alone=alone)
        if claimed is None:
            self.journal.events["claims_in_vain"] += 1
            return
        images = self.service.images_of(claimed)
        hold = Hold(claimed, images, alone)
        job = self._job(hold)
        self.account(pool)
        if claimed.shard_id in self._lost:
            self._lost.remove(claimed.shard_id)
            self.fairness.opened(pool.spec.name, job.tenant.id, images)
        self.fairness.claimed(pool.spec.name, job.tenant.id, images, in_turn=not alone)
        self.journal.claimed(job, claimed)
        worker.holds.append(hold)
        seconds = images * pool.spec.seconds * self.draw.lognormvariate(0, SPREAD)
        self.journal.held_seconds += seconds
        self.events.after(seconds, partial(self._end, pool, worker, hold))
        self._claims += 1
        if self._claims % CLAIMS_PER_CHECK == 0:
            self.events.after(min(seconds, self._renewal) / 2, partial(self._check, hold))
        if seconds > self._renewal:
            self.events.after(self._renewal, partial(self._renew, hold))

    @property
    def _renewal(self) -> float:
        return self.service.lease.total_seconds() / RENEWALS_PER_LEASE

    def _check(self, hold: Hold) -> None:
        """Look whether a shard is still held, once for some of them; a worker looks every half second."""
        if not hold.dropped and not hold.silent:
            self.service.check(hold.claimed)

    def _renew(self, hold: Hold) -> None:
        if hold.dropped or hold.silent or not self.service.renew(hold.claimed):
            return
        self.events.after(self._renewal, partial(self._renew, hold))

    def _end(self, pool: Pool, worker: Worker, hold: Hold) -> None:
        """Record a shard, unless its worker is gone; that of a hanging worker later than its lease."""
        if hold.dropped:
            return
        if hold.silent:
            hold.silent = False
            late = self.service.lease.total_seconds() + LATE_SECONDS
            self.events.after(late, partial(self._end, pool, worker, hold))
            return
        hold.dropped = True
        self.account(pool)
        worker.holds.remove(hold)
        if self.service.record(hold.claimed, hold.images):
            self.journal.recorded(self._job(hold), hold.claimed, self.events.now)
            self.service.meters.open_images -= hold.images
        else:
            self.journal.events["records_refused"] += 1
        if worker.suspect is not None and not worker.holds:
            shard_id, worker.suspect = worker.suspect, None
            self._claim(pool, worker, shard_id, alone=True)
        self.wake(pool.spec.name)

    def _job(self, hold: Hold) -> JobSpec:
        return self._jobs[hold.claimed.run_id]
