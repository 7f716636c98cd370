"""The condition of a pool: red only if something is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from samfleet_api.pools.condition import RESTART, START, Condition, ConditionCode, condition_of
from samfleet_api.pools.schemas import PoolHealth, Worker

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def worker(age: timedelta, *, ready: bool) -> Worker:
    detail = {"servers": [{"address": "triton:8001", "ready": ready}]}
    return Worker(name="w", started_at=NOW - age, seen_at=NOW, triton_ready=ready, detail=detail)


def condition(*workers: Worker, images: int = 0, last_seen: datetime | None = None) -> Condition:
    health = PoolHealth(name="gpu", ready=any(one.triton_ready for one in workers), workers=list(workers))
    return condition_of(health, images, last_seen, NOW)


@pytest.mark.parametrize(
    ("found", "code", "red"),
    [
        (condition(worker(SECOND, ready=True), worker(SECOND, ready=False), images=5), ConditionCode.READY, False),
        (condition(worker(START - SECOND, ready=False), images=5), ConditionCode.STARTING, False),
        (condition(worker(START, ready=False)), ConditionCode.TRITON_AWAY, True),
        (condition(worker(2 * START, ready=False), worker(SECOND, ready=False)), ConditionCode.STARTING, False),
        (condition(), ConditionCode.IDLE, False),
        (condition(last_seen=NOW - 2 * RESTART), ConditionCode.IDLE, False),
        (condition(images=1, last_seen=NOW - RESTART + SECOND), ConditionCode.STARTING, False),
        (condition(images=1, last_seen=NOW - RESTART), ConditionCode.NO_WORKER, True),
        (condition(images=1), ConditionCode.NO_WORKER, True),
    ],
)
def test_a_pool_needs_action_only_if_something_is_wrong(found: Condition, code: ConditionCode, red: bool) -> None:
    assert (found.code, found.needs_action) == (code, red)


def test_what_is_wrong_names_the_servers_and_what_to_do() -> None:
    found = condition(worker(START, ready=False))
    assert "triton:8001" in found.message
    assert "look at its log" in found.message
