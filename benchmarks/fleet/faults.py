"""Faults of workers: a process dies, a spot machine is taken back, a worker hangs, or a whole pool leaves."""

from __future__ import annotations

from functools import partial

from benchmarks.fleet.pools import Pool, Worker
from benchmarks.fleet.simulation import Simulation

RESTART_SECONDS = 30.0
NEW_MACHINE_SECONDS = 60.0
POOL_AWAY_SECONDS = 90.0
KINDS = ("worker_dies", "spot_notice", "worker_hangs", "worker_hangs", "pool_leaves")


def schedule_faults(simulation: Simulation, workers: int, per_worker_hour: float) -> None:
    """Add a first fault; each fault draws the next, with exponential times between them."""
    if per_worker_hour > 0:
        _draw_next(simulation, 3600 / (per_worker_hour * workers))


def _draw_next(simulation: Simulation, mean_seconds: float) -> None:
    wait = simulation.draw.expovariate(1 / mean_seconds)
    simulation.events.after(wait, partial(_strike, simulation, mean_seconds))


def _strike(simulation: Simulation, mean_seconds: float) -> None:
    pool = simulation.draw.choice(list(simulation.pools.values()))
    worker = simulation.draw.choice(pool.workers)
    kind = simulation.draw.choice(KINDS)
    simulation.account(pool)
    if worker.up and worker.holds:
        simulation.journal.events[kind] += 1
        _ACTS[kind](simulation, pool, worker)
    _draw_next(simulation, mean_seconds)


def _die(simulation: Simulation, pool: Pool, worker: Worker) -> None:
    for hold in worker.leave():
        simulation.lose(hold)
    simulation.events.after(RESTART_SECONDS, partial(_return, simulation, pool, [worker]))


def _hand_back(simulation: Simulation, pool: Pool, worker: Worker) -> None:
    for hold in worker.leave():
        simulation.hand_back(hold)
    simulation.events.after(NEW_MACHINE_SECONDS, partial(_return, simulation, pool, [worker]))


def _hang(simulation: Simulation, pool: Pool, worker: Worker) -> None:
    """Let the shards that the worker holds end after their leases; it goes on with others afterwards."""
    del simulation, pool
    for hold in worker.holds:
        hold.silent = True


def _leave(simulation: Simulation, pool: Pool, worker: Worker) -> None:
    del worker  # all workers of the pool leave
    present = [one for one in pool.workers if one.up]
    for one in present:
        for hold in one.leave():
            simulation.hand_back(hold)
    simulation.events.after(POOL_AWAY_SECONDS, partial(_return, simulation, pool, present))


def _return(simulation: Simulation, pool: Pool, workers: list[Worker]) -> None:
    simulation.account(pool)
    for worker in workers:
        worker.up = True
    simulation.wake(pool.spec.name)


_ACTS = {"worker_dies": _die, "spot_notice": _hand_back, "worker_hangs": _hang, "pool_leaves": _leave}
