from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from fixtures.worker.job_rows import make_dataset, make_job
from samfleet.db.models import DatasetImage, ImageResult, Outcome, Run, Shard
from samfleet.jobs.queue import MemoryTaskQueue
from samfleet.reports.stages import stage_statistics

IMAGES = 11


@pytest.fixture
def run(session: Session) -> Run:
    """A run in which image n took n ms to encode; images 0 and 1 were warm-up, image 2 failed."""
    dataset = make_dataset(session, IMAGES)
    job = make_job(session, MemoryTaskQueue(), dataset)
    run = session.scalars(select(Run).where(Run.job_id == job.id)).one()
    shard = Shard(run_id=run.id, index=0, first_position=0, last_position=IMAGES - 1)
    session.add(shard)
    session.flush()
    for image in session.scalars(select(DatasetImage).where(DatasetImage.dataset_id == dataset.id)):
        number = image.position or 0
        result = ImageResult(run_id=run.id, dataset_image_id=image.id, image_id=image.image_id, shard_id=shard.id)
        result.part_key, result.part_line = "part", number
        result.outcome = Outcome.FAILED if number == 2 else Outcome.SUCCEEDED
        result.error_code = "image_truncated" if number == 2 else None
        result.warmup, result.encode_ms = number < 2, float(number)
        result.queue_shard_ms = 100.0
        result.queue_triton_ms = 5.0 if number % 2 else None
        session.add(result)
    session.flush()
    return run


def test_percentiles_are_exact_and_exclude_warmup_and_failures(session: Session, run: Run) -> None:
    stages = stage_statistics(session, run.id)
    values = np.arange(3, IMAGES)
    encode = stages["encode"]
    assert encode.n == len(values)
    assert encode.mean_ms == pytest.approx(values.mean())
    measured = [encode.p50_ms, encode.p90_ms, encode.p95_ms, encode.p99_ms]
    assert measured == pytest.approx(np.percentile(values, [50, 90, 95, 99]))


def test_warmup_is_counted_on_request(session: Session, run: Run) -> None:
    assert stage_statistics(session, run.id, include_warmup=True)["encode"].n == IMAGES - 1


def test_queue_time_covers_both_queues_and_unmeasured_stages_are_left_out(session: Session, run: Run) -> None:
    stages = stage_statistics(session, run.id)
    assert list(stages) == ["queue", "encode"]
    assert (stages["queue"].n, stages["queue"].p99_ms, stages["queue"].p50_ms) == (8, 105.0, 102.5)


def test_a_run_without_results_has_no_stages(session: Session) -> None:
    job = make_job(session, MemoryTaskQueue(), make_dataset(session, 1))
    run = session.scalars(select(Run).where(Run.job_id == job.id)).one()
    assert stage_statistics(session, run.id) == {}
