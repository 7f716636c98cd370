"""Shares of tenants and jobs in a pool, with the real dispatcher, and simulated workers and times."""

from __future__ import annotations

import itertools
import random
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Engine, event, select, text, update
from sqlalchemy.orm import Session

from fixtures.worker.job_rows import MINUTE, claim_one, start_job
from fixtures.worker.simulated_fleet import Fleet, make_tenant, plan_run, take_message, take_sent
from samfleet.db.models import Job, JobTurn, PoolTurn, Tenant, TenantTurn
from samfleet.db.session import transaction
from samfleet.jobs.claim import claim, hand_back, wait_for_room
from samfleet.jobs.dispatch import dispatch_run
from samfleet.jobs.queue import CeleryTaskQueue, MemoryTaskQueue
from samfleet.jobs.stall import Reason
from samfleet.jobs.variant_turns import fairest_shard

SHARD = 32
SLOTS = 4
IN_FLIGHT = 8


def memory_fleet(engine: Engine, *, slots: int = 1) -> Fleet:
    queue = MemoryTaskQueue()
    return Fleet(engine, queue, lambda: take_sent(queue), slots=slots, in_flight=IN_FLIGHT)


@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.heavy)])
def test_small_jobs_do_not_wait_for_a_big_one(engine: Engine, broker_url: str, *, whole: bool) -> None:
    with closing(CeleryTaskQueue(broker_url)) as queue:
        fleet = Fleet(engine, queue, lambda: take_message(broker_url, "default"), slots=SLOTS, in_flight=IN_FLIGHT)
        first, second = make_tenant(engine), make_tenant(engine)
        big = plan_run(engine, first, 100_000, shard_size=SHARD)
        fleet.begin(big)
        fleet.fill()  # all places and the whole queue are the big job's
        assert {claimed.run_id for claimed in fleet.at_work} == {big.id}
        assert len(fleet.at_work) == SLOTS
        tiny = plan_run(engine, first, 10, shard_size=4)
        middle = plan_run(engine, second, 1_000, shard_size=SHARD)
        for run in (tiny, middle):
            fleet.begin(run)
        shards = {big.id: 3125, middle.id: 32, tiny.id: 3}
        while (counts := Counter(claimed.run_id for claimed in fleet.taken)) != shards:
            if not whole and all(counts[run.id] == shards[run.id] for run in (tiny, middle)):
                break
            fleet.step()
        fleet.step()
    for run in (big, middle, tiny):
        ended = fleet.last[run.id] if counts[run.id] == shards[run.id] else "not awaited"
        print(f"{run.total} images: first {fleet.first[run.id]}, last {ended} (shard times)")  # noqa: T201 - the requested figures
    assert fleet.first[tiny.id] <= 2
    assert fleet.first[middle.id] <= 2
    assert fleet.last[tiny.id] <= 3
    assert fleet.last[middle.id] <= 1 + -(-32 // (SLOTS // 2)) + 1  # half of the places from the second step
    if whole:
        assert fleet.last[big.id] == -(-sum(shards.values()) // SLOTS)  # no place was ever free


@dataclass(frozen=True, slots=True)
class Share:
    """One that shares: its weight among its siblings and its most images in one claim."""

    weight: float
    most: int


@pytest.mark.parametrize("seed", range(4))
def test_shares_follow_the_weights(engine: Engine, seed: int) -> None:
    """Two that always have work stay close at any time, by theorem 1 of start-time fair queuing:
    |served_a / weight_a - served_b / weight_b| <= most_a / weight_a + most_b / weight_b.
    """
    choices = random.Random(seed)
    fleet = memory_fleet(engine, slots=choices.randint(1, 3))
    tenants: dict[uuid.UUID, Share] = {}
    jobs: dict[uuid.UUID, dict[uuid.UUID, Share]] = {}
    for _ in range(choices.randint(2, 3)):
        tenant = make_tenant(engine, weight=(weight := choices.choice([0.5, 1.0, 2.0, 3.5])))
        jobs[tenant] = {}
        for _ in range(choices.randint(1, 3)):
            size, priority = choices.choice([4, 9, 32]), choices.randint(3, 7)
            run = plan_run(engine, tenant, 100 * size, shard_size=size, priority=priority)
            jobs[tenant][run.job_id] = Share(2.0 ** (priority - 5), size)
            fleet.begin(run)
        tenants[tenant] = Share(weight, max(share.most for share in jobs[tenant].values()))
    while len(fleet.taken) < 60:
        fleet.step()
    owner = {job: tenant for tenant, own in jobs.items() for job in own}
    sizes = {job: share.most for own in jobs.values() for job, share in own.items()}
    of_jobs = [claimed.job_id for claimed in fleet.taken]
    of_tenants = [owner[job] for job in of_jobs]
    images = [sizes[job] for job in of_jobs]
    assert_shared(tenants, of_tenants, images)
    assert_waits_bounded(tenants, of_tenants, images)
    for tenant, own in jobs.items():
        turns = [(job, count) for job, count in zip(of_jobs, images, strict=True) if owner[job] == tenant]
        assert_shared(own, [job for job, _ in turns], [count for _, count in turns])
        assert_waits_bounded(own, [job for job, _ in turns], [count for _, count in turns])


def assert_shared(shares: Mapping[uuid.UUID, Share], turns: list[uuid.UUID], images: list[int]) -> None:
    served = dict.fromkeys(shares, 0)
    for turn, count in zip(turns, images, strict=True):
        served[turn] += count
        for a, b in itertools.combinations(shares, 2):
            apart = abs(served[a] / shares[a].weight - served[b] / shares[b].weight)
            assert apart <= shares[a].most / shares[a].weight + shares[b].most / shares[b].weight + 1e-6


def assert_waits_bounded(shares: Mapping[uuid.UUID, Share], turns: list[uuid.UUID], images: list[int]) -> None:
    """Between two turns, each other gets at most its weight's worth of one turn, and one turn more."""
    for one, share in shares.items():
        others = {other: of for other, of in shares.items() if other != one}
        bound = sum(of.weight * share.most / share.weight + of.most for of in others.values())
        waited = 0
        for turn, count in zip(turns, images, strict=True):
            waited = 0 if turn == one else waited + count
            assert waited <= bound + 1e-6


def test_a_tenant_that_returns_starts_level_with_the_others(engine: Engine) -> None:
    fleet = memory_fleet(engine)
    busy, idle = make_tenant(engine), make_tenant(engine)
    fleet.begin(plan_run(engine, busy, 400, shard_size=4))
    fleet.begin(plan_run(engine, idle, 4, shard_size=4))
    for _ in range(40):
        fleet.step()
    back = plan_run(engine, idle, 400, shard_size=4)
    fleet.begin(back)
    before = len(fleet.taken)
    for _ in range(20):
        fleet.step()
    runs = [claimed.run_id for claimed in fleet.taken[before:]]
    assert runs[0] == back.id
    assert runs.count(back.id) in {10, 11}  # not the forty that it did not use


def test_a_change_of_priority_or_weight_counts_from_the_next_claim(engine: Engine) -> None:
    fleet = memory_fleet(engine)
    tenant, other = make_tenant(engine), make_tenant(engine)
    slow, usual = (plan_run(engine, tenant, 400, shard_size=4, priority=priority) for priority in (0, 5))
    for run in (slow, usual):
        fleet.begin(run)
    for _ in range(10):
        fleet.step()
    assert Counter(claimed.run_id for claimed in fleet.taken) == {slow.id: 1, usual.id: 9}
    with transaction(engine) as session:
        session.execute(update(Job).where(Job.id == slow.job_id).values(priority=9))
    for _ in range(10):
        fleet.step()
    assert Counter(claimed.run_id for claimed in fleet.taken[10:]) >= Counter({slow.id: 9})
    with transaction(engine) as session:
        session.execute(update(Tenant).where(Tenant.id == other).values(weight=4.0))
    heavy = plan_run(engine, other, 400, shard_size=4)
    fleet.begin(heavy)
    for _ in range(20):
        fleet.step()
    assert Counter(claimed.run_id for claimed in fleet.taken[20:])[heavy.id] in {16, 17}


@pytest.mark.parametrize("how", ["waits for room", "handed back"])
def test_a_claim_without_work_costs_no_turn(engine: Engine, how: str) -> None:
    run = start_job(engine, MemoryTaskQueue(), 8)
    claimed = claim_one(engine, run)
    with transaction(engine) as session:
        assert session.scalars(select(TenantTurn.images)).one() == 4
        assert session.scalars(select(JobTurn.images)).one() == 4
        if how == "handed back":
            assert hand_back(session, claimed)
        else:
            assert wait_for_room(session, claimed, Reason("variant_waits", "no room"), retry_in=MINUTE)
        assert session.scalars(select(TenantTurn.images)).one() == 0
        assert session.scalars(select(JobTurn.images)).one() == 0
        assert not hand_back(session, claimed)  # the lease is gone, so there is nothing to take back
        assert session.scalars(select(JobTurn.images)).one() == 0


def test_a_suspect_is_charged_but_moves_no_clock(engine: Engine) -> None:
    run = start_job(engine, MemoryTaskQueue(), 12)
    claim_one(engine, run)
    claim_one(engine, run)
    with transaction(engine) as session:
        before = session.scalars(select(PoolTurn.clock)).one()
        last = session.scalars(text("SELECT id FROM shards WHERE state = 'queued'")).one()
        assert claim(session, last, "w2", MINUTE, alone=True) is not None
        assert session.scalars(select(PoolTurn.clock)).one() == before == 4.0
        assert session.execute(select(TenantTurn.began, TenantTurn.images, TenantTurn.clock)).one() == (8.0, 4, 4.0)


@pytest.mark.heavy
def test_no_claim_or_dispatch_reads_the_shards_that_wait(engine: Engine) -> None:
    """The plans with 100,000 pending shards in one run and 4,000 queued ones in fifty."""
    big = plan_run(engine, make_tenant(engine), 100_000, shard_size=1)
    queue = MemoryTaskQueue()
    for _ in range(50):
        run = plan_run(engine, make_tenant(engine), 80, shard_size=1)
        with transaction(engine) as session:
            dispatch_run(session, queue, run.id, 80)
    with transaction(engine) as session:
        session.execute(text("ANALYZE"))
    read = shards_read(engine, lambda session: dispatch_run(session, queue, big.id, IN_FLIGHT))
    assert read <= 4 * IN_FLIGHT
    message = int(queue.sent[0].args[0])
    read = shards_read(engine, lambda session: fairest_shard(session, message))
    assert read <= 51 + 80 + 1  # one of each run, and those of the run whose turn it is


def test_a_turn_reads_no_runs_of_other_pools(engine: Engine) -> None:
    run = plan_run(engine, make_tenant(engine), 8, shard_size=2)
    with transaction(engine) as session:
        dispatch_run(session, (queue := MemoryTaskQueue()), run.id, IN_FLIGHT)
        for statement in OTHER_RUNS:
            session.execute(text(statement), {"run": run.id})
        session.execute(text("ANALYZE"))
    message = int(queue.sent[0].args[0])
    assert rows_read(engine, "runs", lambda session: fairest_shard(session, message)) <= 2


OTHER_RUNS = (
    """INSERT INTO jobs (id, tenant_id, dataset_id, task, state, image_count, max_failure_rate, request_sha256)
       SELECT gen_random_uuid(), tenant_id, dataset_id, '{}', 'running', 1, 1, 'of another pool'
       FROM jobs, generate_series(1, 3000) WHERE id = (SELECT job_id FROM runs WHERE id = :run)""",
    """INSERT INTO runs (id, job_id, variant, pool, task, state, total, succeeded, failed, masks)
       SELECT gen_random_uuid(), id, 'mobile_sam', 'pool ' || left(id::text, 2), '{}', 'running', 1, 0, 0, 0
       FROM jobs WHERE request_sha256 = 'of another pool'""",
    """INSERT INTO shards (run_id, index, first_position, last_position, state, queued_at, sent_at, token, attempts,
                           progress)
       SELECT id, 0, 0, 0, 'queued', now(), now(), 0, 0, 0 FROM runs WHERE pool LIKE 'pool %'""",
)


def shards_read(engine: Engine, work: Callable[[Session], object]) -> float:
    return rows_read(engine, "shards", work)


def rows_read(engine: Engine, table: str, work: Callable[[Session], object]) -> float:
    """Return the most rows of a table that a statement of the work reads, by EXPLAIN ANALYZE; the work is done once."""
    read: list[float] = []

    def explain(_: Any, cursor: Any, statement: str, parameters: Any, *__: Any) -> None:
        if table in statement:
            cursor.execute("SAVEPOINT explained")
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
            read.append(sum(rows_of(table, cursor.fetchone()[0][0]["Plan"])))
            cursor.execute("ROLLBACK TO explained")

    event.listen(engine, "before_cursor_execute", explain)
    try:
        with transaction(engine) as session:
            work(session)
    finally:
        event.remove(engine, "before_cursor_execute", explain)
    return max(read)


def rows_of(table: str, plan: Mapping[str, Any]) -> Iterator[float]:
    """Yield the rows that each node of the plan reads from the table, with those that it drops."""
    if plan.get("Relation Name") == table and plan["Node Type"] != "ModifyTable":
        yield (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
    for child in plan.get("Plans", ()):
        yield from rows_of(table, child)
