"""Plans of searches over many jobs. PostgreSQL chooses the index of labels for few rows, and the order of the list for
many.
"""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.orm import Session

from samfleet.db.search import Search
from samfleet.db.session import transaction
from samfleet_api.jobs import repository
from samfleet_api.jobs.filters import EVERY_JOB, JobFilter
from samfleet_api.jobs.sorting import JobPlace, JobSort

JOBS = 100_000
FILL = """
INSERT INTO jobs (id, tenant_id, dataset_id, task, state, image_count, max_failure_rate, request_sha256, created_at,
                  name, labels, notes)
SELECT gen_random_uuid(), :tenant, :dataset, '{}', 'completed', 1, 1, '', now() - n * interval '1 second',
       'job ' || n, jsonb_build_object('team', 'team-' || n % 5, 'batch', (n / 20)::text), 'notes of ' || md5(n::text)
FROM generate_series(1, :jobs) AS n
"""


@pytest.fixture
def many_jobs(engine: Engine) -> uuid.UUID:
    tenant, dataset = uuid.uuid4(), uuid.uuid4()
    with transaction(engine) as session:
        session.execute(text("INSERT INTO tenants (id, name) VALUES (:id, 'many')"), {"id": tenant})
        session.execute(
            text(
                "INSERT INTO datasets (id, tenant_id, name, source, state, image_count) "
                "VALUES (:id, :tenant, 'many', 'upload', 'sealed', 1)"
            ),
            {"id": dataset, "tenant": tenant},
        )
        session.execute(text(FILL), {"tenant": tenant, "dataset": dataset, "jobs": JOBS})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE jobs"))
    return tenant


def explain(
    engine: Engine, tenant: uuid.UUID, wanted: JobFilter, sort: JobSort = JobSort.NEWEST, after: JobPlace | None = None
) -> str:
    """Return the plan of the query that the list sends."""
    sent: list[tuple[str, Any]] = []

    def remember(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        sent.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", remember)
    with Session(engine) as session:
        repository.page(session, tenant, wanted, sort=sort, after=after, limit=101)
    event.remove(engine, "before_cursor_execute", remember)
    ((statement, parameters),) = sent
    with engine.connect() as connection:
        return "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN ANALYZE {statement}", parameters))


@pytest.mark.heavy
def test_searches_use_the_indexes(many_jobs: uuid.UUID, engine: Engine) -> None:
    rare = explain(engine, many_jobs, JobFilter(search=Search(labels=[("batch", "77")])))
    assert "Bitmap Index Scan on ix_jobs_labels" in rare
    common = explain(engine, many_jobs, JobFilter(search=Search(labels=[("team", "team-1")])))
    assert "ix_jobs_tenant_page" in common
    assert "Sort" not in common
    written = explain(engine, many_jobs, JobFilter(search=Search(text="job 4")))
    assert "ix_jobs_tenant_page" in written


@pytest.mark.heavy
@pytest.mark.parametrize("sort", [one for one in JobSort if one.column.key.key != "created_at"])
def test_pages_of_every_order_read_their_index(many_jobs: uuid.UUID, engine: Engine, sort: JobSort) -> None:
    with Session(engine) as session:
        first = repository.page(session, many_jobs, EVERY_JOB, sort=sort, limit=101)
    for after in (None, (first[-1].key, first[-1].job.id)):
        plan = explain(engine, many_jobs, EVERY_JOB, sort, after)
        assert "ix_jobs_sort_" in plan
        assert "Sort" not in plan
