from __future__ import annotations

import pytest
from sqlalchemy import Engine, func, select, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from fixtures.worker.job_rows import results_of, start_job
from samfleet.db.copy import copy_rows
from samfleet.db.models import ImageResult, Outcome, Run
from samfleet.db.session import transaction
from samfleet.jobs.queue import MemoryTaskQueue


def rows(run: Run, images: int) -> list[dict[str, object]]:
    return [
        {
            "run_id": run.id,
            "dataset_image_id": number,
            "image_id": number,
            "shard_id": 1,
            "outcome": Outcome.FAILED,
            "error_code": "image_invalid",
            "error_message": "a tab\t, a line\nend, a \\ and \u00e9",
            "part_key": "part",
            "part_line": number,
            "mask_count": 0,
            "warmup": None,
            "encode_ms": 0.1 + 0.2,
        }
        for number in range(images)
    ]


def count(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(ImageResult)) or 0


def test_rows_are_written_as_given(engine: Engine) -> None:
    run = start_job(engine, MemoryTaskQueue(), 3)
    with transaction(engine) as session:
        copy_rows(session, ImageResult, rows(run, 3))
        copy_rows(session, ImageResult, [])
    written = results_of(engine, run)
    assert [(row.image_id, row.outcome, row.warmup, row.encode_ms) for row in written] == [
        (number, Outcome.FAILED, None, 0.1 + 0.2) for number in range(3)
    ]
    assert {row.error_message for row in written} == {"a tab\t, a line\nend, a \\ and \u00e9"}
    assert all(row.created_at is not None for row in written)


def test_a_row_that_breaks_a_constraint_writes_nothing(engine: Engine) -> None:
    run = start_job(engine, MemoryTaskQueue(), 3)
    with pytest.raises(IntegrityError, match="image_results"), transaction(engine) as session:
        copy_rows(session, ImageResult, rows(run, 2) + rows(run, 1))
    with transaction(engine) as session:
        assert count(session) == 0


def test_a_lost_connection_is_the_error_that_callers_expect(engine: Engine) -> None:
    run = start_job(engine, MemoryTaskQueue(), 3)
    with pytest.raises(OperationalError) as caught, transaction(engine) as session:
        backend = session.scalar(select(func.pg_backend_pid()))
        with transaction(engine) as other:
            other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": backend})
        copy_rows(session, ImageResult, rows(run, 3))
    assert caught.value.connection_invalidated
    with transaction(engine) as session:
        copy_rows(session, ImageResult, rows(run, 3))
        assert count(session) == 3
