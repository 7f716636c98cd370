"""Condition of a pool in words: whether it works, and what to do if it does not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, Field

from samfleet_api.pools.schemas import PoolHealth, Worker

START = timedelta(minutes=5)  # a Triton without a reply for longer is not starting any more
RESTART = timedelta(minutes=2)  # a pool whose last worker was seen since may be restarting


class ConditionCode(StrEnum):
    READY = "ready"
    STARTING = "starting"
    IDLE = "idle"  # no worker and no work, as in a pool that is scaled to zero
    NO_WORKER = "no_worker"
    TRITON_AWAY = "triton_away"


class Condition(BaseModel):
    code: ConditionCode
    message: str
    needs_action: bool = Field(description="True if something is wrong; `message` says what to do.")


def condition_of(pool: PoolHealth, open_images: int, last_seen: datetime | None, now: datetime) -> Condition:
    """Return the condition of a pool with `open_images`; `last_seen` is its newest heartbeat, of a dead worker too."""
    if pool.ready:
        return _fine(ConditionCode.READY, "A worker reaches Triton.")
    if pool.workers:
        return _without_triton(pool.workers, now)
    if not open_images:
        return _fine(ConditionCode.IDLE, "No worker runs, and no work waits for one.")
    if last_seen is not None and now - last_seen < RESTART:
        return _fine(ConditionCode.STARTING, "The last worker has just ended. If it restarts, work goes on by itself.")
    return Condition(
        code=ConditionCode.NO_WORKER,
        message=f"Work waits and no worker of pool {pool.name} is running. Start one, or look at its log.",
        needs_action=True,
    )


def _without_triton(workers: Sequence[Worker], now: datetime) -> Condition:
    youngest = max(worker.started_at for worker in workers)
    if now - youngest < START:
        return _fine(ConditionCode.STARTING, "The worker runs, and Triton is not ready yet.")
    servers = {str(server["address"]) for worker in workers for server in worker.detail.get("servers", ())}
    where = f" at {', '.join(sorted(servers))}" if servers else ""
    return Condition(
        code=ConditionCode.TRITON_AWAY,
        message=f"No worker reaches a Triton server{where}. Check that it runs and look at its log; "
        "work goes on by itself when it replies.",
        needs_action=True,
    )


def _fine(code: ConditionCode, message: str) -> Condition:
    return Condition(code=code, message=message, needs_action=False)
