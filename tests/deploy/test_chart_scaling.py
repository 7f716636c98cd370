"""The query by which KEDA scales a pool, on a real PostgreSQL with the rights that docs/kubernetes.md grants."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from fixtures.servers.helm_chart import ROOT, objects, of_kind, render, values_of
from fixtures.worker.job_rows import claim_one, record_one, start_job
from samfleet.db.models import Job
from samfleet.db.session import transaction
from samfleet.jobs.pause import pause_job, resume_job
from samfleet.jobs.queue import MemoryTaskQueue
from samfleet.storage.file_store import FileStore

GRANT = re.search(r"^GRANT .*;$", (ROOT / "docs/kubernetes.md").read_text("utf-8"), re.MULTILINE)


@contextmanager
def reader(engine: Engine) -> Iterator[str]:
    """Create the role of the documentation and yield its name."""
    role = f"keda_{uuid.uuid4().hex}"
    assert GRANT
    with engine.begin() as connection:
        connection.execute(text(f"CREATE ROLE {role}"))
        connection.execute(text(GRANT[0].replace("samfleet_keda", role)))
    try:
        yield role
    finally:
        with engine.begin() as connection:
            connection.execute(text(f"DROP OWNED BY {role}"))
            connection.execute(text(f"DROP ROLE {role}"))


def trigger_of(pool: str, **values: Mapping[str, Any]) -> Mapping[str, str]:
    pools = {"cpu": {}, pool: {"keda": {"enabled": True}}}
    [scaled] = of_kind(render({**values_of("one-node-cpu"), "pools": pools, **values}), "ScaledObject")
    [trigger] = scaled["spec"]["triggers"]
    return dict(trigger["metadata"])


def query_of(pool: str) -> str:
    return trigger_of(pool)["query"]


def test_keda_can_query_postgresql_past_a_pooler() -> None:
    pooler = {"host": "pooler.example.com", "port": 6432, "pooling": "transaction"}

    def address(**keda: str | int) -> tuple[str, str]:
        trigger = trigger_of("default", database=pooler, keda=keda)
        return trigger["host"], trigger["port"]

    assert address() == ("pooler.example.com", "6432")
    assert address(host="postgres.example.com", port=5433) == ("postgres.example.com", "5433")


@pytest.fixture
def role(engine: Engine) -> Iterator[str]:
    with reader(engine) as name:
        yield name


def test_the_query_counts_the_open_shards_of_running_runs(engine: Engine, role: str, tmp_path: Path) -> None:
    queue, store, queries = (
        MemoryTaskQueue(),
        FileStore(tmp_path),
        {pool: query_of(pool) for pool in ("default", "other")},
    )

    def open_shards() -> tuple[int, int]:
        with engine.begin() as connection:
            connection.execute(text(f"SET LOCAL ROLE {role}"))
            counts = [connection.execute(text(query)).scalar_one() for query in queries.values()]
        return counts[0], counts[1]

    assert open_shards() == (0, 0)
    run = start_job(engine, queue, images=12, shard_size=4, in_flight=2)
    assert open_shards() == (3, 0)  # one pending, two queued
    claimed = claim_one(engine, run)
    assert open_shards() == (3, 0)  # a leased shard keeps its pod
    record_one(engine, queue, store, claimed, in_flight=2)
    assert open_shards() == (2, 0)
    start_job(engine, queue, images=4, pools=["other"])
    assert open_shards() == (2, 1)
    held = claim_one(engine, run)
    with transaction(engine) as session:
        tenant = session.get_one(Job, run.job_id).tenant_id
        pause_job(session, tenant, run.job_id)
    assert open_shards() == (1, 1)  # its worker finishes the leased one
    record_one(engine, queue, store, held, in_flight=2)
    assert open_shards() == (0, 1)
    with transaction(engine) as session:
        resume_job(session, queue, tenant, run.job_id)
    assert open_shards() == (1, 1)


def test_keda_logs_in_as_its_role_with_the_password_of_its_secret() -> None:
    found, values = objects("two-gpu-pools"), values_of("two-gpu-pools")
    [authentication] = of_kind(found, "TriggerAuthentication")
    assert authentication["spec"]["secretTargetRef"] == [
        {"parameter": "password", "name": "samfleet", "key": "keda-database-password"}
    ]
    for scaled in of_kind(found, "ScaledObject"):
        [trigger] = scaled["spec"]["triggers"]
        assert trigger["type"] == "postgresql"
        assert trigger["authenticationRef"]["name"] == authentication["metadata"]["name"]
        assert trigger["metadata"]["userName"] == values["keda"]["user"]
        assert trigger["metadata"]["host"] == values["database"]["host"]
        assert all(isinstance(value, str) for value in trigger["metadata"].values())  # KEDA refuses others
    fewest = {
        scaled["metadata"]["name"]: scaled["spec"]["minReplicaCount"] for scaled in of_kind(found, "ScaledObject")
    }
    assert fewest == {"samfleet-pool-h100": 1, "samfleet-pool-mig": 0}


def test_keda_without_a_role_uses_the_login_of_the_chart() -> None:
    values = {**values_of("one-node-cpu"), "pools": {"cpu": {"keda": {"enabled": True}}}}
    [authentication] = of_kind(render(values), "TriggerAuthentication")
    assert authentication["spec"]["secretTargetRef"][0]["key"] == "database-password"
