"""The database refuses what the tables of `samfleet.jobs.states` do not allow, and keeps the events."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from itertools import product
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, Row, text
from sqlalchemy.exc import IntegrityError

from fixtures.worker.ended_runs import ended_run, new_export
from fixtures.worker.job_rows import claim_one, record_one, start_job
from samfleet.comparisons.states import COMPARISONS
from samfleet.db.actors import acting_as_task
from samfleet.db.models import Comparison, ComparisonState, ExportState, Job, JobState, RunState, ShardState
from samfleet.db.session import transaction
from samfleet.exports.states import EXPORTS
from samfleet.jobs.cancel import cancel_job
from samfleet.jobs.queue import MemoryTaskQueue
from samfleet.jobs.states import JOB_TRANSITIONS, RUN_TRANSITIONS, SHARD_TRANSITIONS
from samfleet.storage.memory_store import MemoryStore

# What else a row needs in a state, by table and state.
NEEDED: Mapping[tuple[str, str], str] = {
    ("shards", "leased"): ", lease_expires_at = now()",
    ("shards", "done"): ", part_key = 'p', lease_expires_at = NULL",
    ("exports", "completed"): ", key = 'k', bytes = 1, sha256 = 's'",
}

# What a row loses in all other states, by table.
CLEARED: Mapping[str, str] = {
    "shards": ", lease_expires_at = NULL",
    "exports": ", key = NULL, bytes = NULL, sha256 = NULL",
}


def force(connection: Connection, table: str, state: str) -> None:
    """Set a state without the triggers, which `session_replication_role` switches off."""
    connection.execute(text("SET LOCAL session_replication_role = replica"))
    also = NEEDED.get((table, state), CLEARED.get(table, ""))
    connection.execute(text(f"UPDATE {table} SET state = :state{also}"), {"state": state})
    connection.execute(text("SET LOCAL session_replication_role = DEFAULT"))


def is_allowed(connection: Connection, table: str, state: str) -> bool:
    also = NEEDED.get((table, state), CLEARED.get(table, ""))
    savepoint = connection.begin_nested()
    refusal = ""
    try:
        connection.execute(text(f"UPDATE {table} SET state = :state{also}"), {"state": state})
    except IntegrityError as error:
        refusal = str(error)
    savepoint.rollback()
    assert not refusal or "cannot become" in refusal
    return not refusal


@pytest.mark.parametrize(
    ("table", "transitions"),
    [
        ("jobs", JOB_TRANSITIONS),
        ("runs", RUN_TRANSITIONS),
        ("shards", SHARD_TRANSITIONS),
        ("exports", EXPORTS.transitions),
        ("comparisons", COMPARISONS.transitions),
    ],
)
def test_the_database_allows_exactly_the_transitions_of_the_table(
    engine: Engine, table: str, transitions: Mapping[StrEnum, frozenset[StrEnum]]
) -> None:
    run = ended_run(engine, MemoryStore(), 4)
    new_export(engine, MemoryTaskQueue(), run)
    with transaction(engine) as session:
        tenant_id = session.get_one(Job, run.job_id).tenant_id
        sides = {"run_a_id": run.id, "run_b_id": run.id, "retries_a": 0, "retries_b": 0}
        session.add(Comparison(tenant_id=tenant_id, total=4, **sides))
    with engine.connect() as connection:
        for old, new in product(transitions, repeat=2):
            if old is new:
                continue
            force(connection, table, old.value)
            assert is_allowed(connection, table, new.value) == (new in transitions[old]), (old, new)


@pytest.mark.parametrize(
    ("table", "states"),
    [
        ("jobs", JobState),
        ("runs", RunState),
        ("shards", ShardState),
        ("exports", ExportState),
        ("comparisons", ComparisonState),
    ],
)
def test_the_database_knows_exactly_the_states_of_the_code(engine: Engine, table: str, states: type[StrEnum]) -> None:
    query = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = :name"
    with engine.connect() as connection:
        listed = connection.execute(text(query), {"name": f"ck_{table}_state"}).scalar_one()
    assert {part for part in listed.split("'") if part.isidentifier()} == {state.value for state in states}


def events(engine: Engine, query: str = "SELECT * FROM job_events ORDER BY id") -> list[Row[Any]]:
    with engine.connect() as connection:
        return list(connection.execute(text(query)))


@pytest.mark.parametrize("statement", ["UPDATE job_events SET detail = 'other'", "DELETE FROM job_events"])
def test_events_are_append_only(engine: Engine, statement: str) -> None:
    start_job(engine, MemoryTaskQueue(), 4)
    before = events(engine)
    with pytest.raises(IntegrityError, match="append-only"), engine.begin() as connection:
        connection.execute(text(statement))
    assert events(engine) == before


def test_events_of_a_deleted_job_go_with_its_row(engine: Engine) -> None:
    start_job(engine, MemoryTaskQueue(), 4)
    with engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET deleted_at = now()"))
        connection.execute(text("DELETE FROM jobs"))
    assert events(engine) == []


def test_events_say_who_and_why(engine: Engine) -> None:
    queue, store = MemoryTaskQueue(), MemoryStore()
    run = start_job(engine, queue, 4, max_failure_rate=0.25)
    with acting_as_task("shards.segment"):
        record_one(engine, queue, store, claim_one(engine, run), failed=2)
    last = events(engine)[-1]
    assert (last.to_state, last.actor) == ("failed", "system:shards.segment")
    assert "2 of 4 images failed" in last.detail
    cancelled = start_job(engine, queue, 5)
    _cancel(engine, cancelled.job_id)
    assert {(event.to_state, event.actor) for event in events(engine)[-2:]} == {("cancelled", "system")}


def _cancel(engine: Engine, job_id: Any) -> None:
    with transaction(engine) as session:
        tenant = session.execute(text("SELECT tenant_id FROM jobs WHERE id = :id"), {"id": job_id}).scalar_one()
        cancel_job(session, tenant, job_id)
