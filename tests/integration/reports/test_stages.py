from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from fixtures.worker.job_rows import HARDWARE, make_dataset, make_job
from samfleet.db.models import DatasetImage, ImageResult, Outcome, Run, Shard
from samfleet.jobs.hardware import remember_hardware
from samfleet.jobs.queue import MemoryTaskQueue
from samfleet.reports.stages import stage_statistics
from samfleet.rollups.rebuild import rebuild_run
from samfleet.rollups.sketch import RELATIVE_ERROR

IMAGES = 11
MANY = 400


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
    stages = stage_statistics(session, run)
    values = np.arange(3, IMAGES)
    encode = stages["encode"]
    assert encode.n == len(values)
    assert encode.mean_ms == pytest.approx(values.mean())
    measured = [encode.p50_ms, encode.p90_ms, encode.p95_ms, encode.p99_ms]
    assert measured == pytest.approx(np.percentile(values, [50, 90, 95, 99]))


def test_warmup_is_counted_on_request(session: Session, run: Run) -> None:
    assert stage_statistics(session, run, include_warmup=True)["encode"].n == IMAGES - 1


def test_queue_time_covers_both_queues_and_unmeasured_stages_are_left_out(session: Session, run: Run) -> None:
    stages = stage_statistics(session, run)
    assert list(stages) == ["queue", "encode"]
    assert (stages["queue"].n, stages["queue"].p99_ms, stages["queue"].p50_ms) == (8, 105.0, 102.5)


def test_a_run_without_results_has_no_stages(session: Session) -> None:
    job = make_job(session, MemoryTaskQueue(), make_dataset(session, 1))
    run = session.scalars(select(Run).where(Run.job_id == job.id)).one()
    assert stage_statistics(session, run) == {}


@pytest.fixture
def spread_run(session: Session) -> Run:
    """A run of `MANY` images with times of five magnitudes, on two machines, in several batch sizes, some missing."""
    numbers = np.random.default_rng(15)
    dataset = make_dataset(session, MANY)
    job = make_job(session, MemoryTaskQueue(), dataset)
    run = session.scalars(select(Run).where(Run.job_id == job.id)).one()
    shard = Shard(run_id=run.id, index=0, first_position=0, last_position=MANY - 1)
    session.add(shard)
    machines = remember_hardware(session, [HARDWARE, {**HARDWARE, "threads": 4}])
    session.flush()
    for number, image in enumerate(session.scalars(select(DatasetImage).where(DatasetImage.dataset_id == dataset.id))):
        result = ImageResult(run_id=run.id, dataset_image_id=image.id, image_id=image.image_id, shard_id=shard.id)
        result.part_key, result.part_line = "part", number
        result.outcome = Outcome.FAILED if number % 9 == 2 else Outcome.SUCCEEDED
        result.error_code = "image_truncated" if number % 9 == 2 else None
        result.warmup, result.batch_size = [True, False, None][number % 3], 1 + number % 5
        result.hardware_id = machines.id_of({**HARDWARE, "threads": 4} if number % 2 else HARDWARE)
        result.encode_ms, result.decode_ms, result.fetch_ms = numbers.lognormal(1, 3, size=3).tolist()
        result.store_ms = 0.0 if number % 4 else 1.5  # shorter than any bucket
        result.queue_triton_ms = None if number % 7 else float(number)
        session.add(result)
    session.flush()
    rebuild_run(session, run.id)
    return run


@pytest.mark.parametrize("include_warmup", [False, True])
def test_rollups_give_exact_counts_and_means_and_percentiles_within_the_stated_error(
    session: Session, spread_run: Run, *, include_warmup: bool
) -> None:
    exact = stage_statistics(session, spread_run, include_warmup=include_warmup)
    spread_run.succeeded = 10
    sketched = stage_statistics(session, spread_run, include_warmup=include_warmup, exact_images=9)
    assert list(sketched) == list(exact) == ["queue", "fetch", "encode", "decode", "store"]
    for stage, times in exact.items():
        n, mean_ms, *percentiles = dataclasses.astuple(sketched[stage])
        assert (n, mean_ms) == (times.n, pytest.approx(times.mean_ms))
        assert percentiles == pytest.approx(dataclasses.astuple(times)[2:], rel=RELATIVE_ERROR)
    assert sketched["encode"] != exact["encode"]  # the rollups were read


def test_rows_are_read_up_to_the_number_of_succeeded_images(session: Session, spread_run: Run) -> None:
    spread_run.succeeded = 10
    exact = stage_statistics(session, spread_run, exact_images=10)
    assert exact != stage_statistics(session, spread_run, exact_images=9)
    spread_run.succeeded = 0
    assert exact == stage_statistics(session, spread_run)


def test_rollups_of_a_run_whose_images_all_failed_give_no_stages(session: Session, run: Run) -> None:
    session.execute(
        update(ImageResult).where(ImageResult.run_id == run.id).values(outcome=Outcome.FAILED, error_code="x")
    )
    rebuild_run(session, run.id)
    run.succeeded = 1
    assert stage_statistics(session, run, exact_images=0) == {}
