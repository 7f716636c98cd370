"""Datasets and jobs of many images written by SQL, to look at queries: no folder, no masks."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass

from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from samfleet.db.models import Dataset, DatasetSource, DatasetState, Job, JobState, Run, RunState
from samfleet.db.session import transaction
from samfleet.jobs.hardware import remember_hardware
from samfleet.rollups.measures import measures
from samfleet.rollups.sketch import bucket_of
from samfleet.rollups.store import merge
from samfleet.rollups.tally import Cell, Tally
from samfleet.wire.stages import IMAGE

SHARD = 32
FAIL_FROM = 0.9  # failures are in the last tenth of the images: worst for a list that starts at the first
FAILING = 100  # one of so many there
TABLES = ("dataset_images", "shards", "image_results")
MACHINE = {"device_kind": "cpu", "device_name": "made up"}
BATCH = 2
FAILS_IN = "preprocess"
TIMES = {  # of every image
    "queue_shard_ms": 100.0,
    "queue_triton_ms": 5.0,
    "fetch_ms": 1.0,
    "preprocess_ms": 2.0,
    "encode_ms": 10.0,
    "decode_ms": 40.0,
    "postprocess_ms": 15.0,
    "store_ms": 0.4,
}

IMAGES = """
INSERT INTO dataset_images (dataset_id, position, image_id, file_name, uri, size_bytes)
SELECT :dataset, n, n + 1, lpad(n::text, 8, '0') || '.jpg', 'store:datasets/made/up/' || n, 1000
FROM generate_series(0, :images - 1) AS n
"""
SHARDS = """
INSERT INTO shards (run_id, index, first_position, last_position, state, part_key, token, attempts, progress, failed,
                    claimed_at, finished_at)
SELECT :run, s, s * :size, least((s + 1) * :size, :images) - 1,
       CASE WHEN s * :size < :done THEN 'done' ELSE 'pending' END,
       CASE WHEN s * :size < :done THEN 'runs/made/up/' || s END, 1, 0, 0,
       CASE WHEN s * :size < :done THEN (
           SELECT count(*) FROM generate_series(s * :size, least((s + 1) * :size, :images) - 1) AS n
           WHERE n >= :fail_from AND n % :failing = 0
       ) ELSE 0 END,
       CASE WHEN s * :size < :done THEN now() - interval '1 day' + s * interval '1 ms' END,
       CASE WHEN s * :size < :done THEN now() - interval '1 day' + (s + 1) * interval '1 ms' END
FROM generate_series(0, (:images + :size - 1) / :size - 1) AS s
"""
RESULTS = """
INSERT INTO image_results (run_id, dataset_image_id, image_id, shard_id, outcome, error_code, error_message,
                           error_stage, part_key, part_line, mask_count, width, height, hardware_id, batch_size, clock,
                           warmup, queue_shard_ms, queue_triton_ms, fetch_ms, preprocess_ms, preprocess_batch_ms,
                           encode_ms, encode_batch_ms, decode_ms, decode_batch_ms, postprocess_ms,
                           postprocess_batch_ms, store_ms)
SELECT :run, image.id, image.image_id, shard.id, CASE WHEN fails THEN 'failed' ELSE 'succeeded' END,
       CASE WHEN fails THEN 'image_truncated' END, CASE WHEN fails THEN 'the file ends early' END,
       CASE WHEN fails THEN :stage END, shard.part_key, image.position - shard.first_position, 10, 32, 24,
       :hardware, :batch, 'host', false, :queue_shard_ms, :queue_triton_ms, :fetch_ms,
       :preprocess_ms, :batch * :preprocess_ms, :encode_ms, :batch * :encode_ms, :decode_ms, :batch * :decode_ms,
       :postprocess_ms, :batch * :postprocess_ms, :store_ms
FROM dataset_images AS image
JOIN shards AS shard ON shard.run_id = :run AND shard.index = image.position / :size
CROSS JOIN LATERAL (SELECT image.position >= :fail_from AND image.position % :failing = 0 AS fails) AS f
WHERE image.dataset_id = :dataset AND shard.part_key IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class WrittenJob:
    job_id: uuid.UUID
    run_id: uuid.UUID


def write_dataset(engine: Engine, tenant_id: uuid.UUID, images: int) -> uuid.UUID:
    with transaction(engine) as session:
        dataset = Dataset(tenant_id=tenant_id, name="rows", source=DatasetSource.UPLOAD, state=DatasetState.SEALED)
        dataset.image_count = images
        session.add(dataset)
        session.flush()
        session.execute(text(IMAGES), {"dataset": dataset.id, "images": images})
        return dataset.id


def write_job(
    engine: Engine,
    tenant_id: uuid.UUID,
    dataset_id: uuid.UUID,
    images: int,
    done: int,
    *,
    shard: int = SHARD,
    with_rows: bool = True,
) -> WrittenJob:
    """Write a job of one run whose first `done` images have results. The run is completed if these are all.

    `shard` is the number of images in a shard. `with_rows` False leaves out the rows of the images.
    """
    whole = done >= images
    with transaction(engine) as session:
        task = {"kind": "everything"}
        job = Job(tenant_id=tenant_id, dataset_id=dataset_id, task=task, image_count=images, request_sha256="0" * 64)
        job.state, job.started_at = JobState.COMPLETED_WITH_ERRORS if whole else JobState.RUNNING, func.now()
        session.add(job)
        session.flush()
        run = Run(job_id=job.id, variant="mobile_sam", pool="local", total=images, task=task, provenance={})
        run.state, run.started_at = RunState.COMPLETED if whole else RunState.RUNNING, func.now()
        session.add(run)
        session.flush()
        _write_results(session, job, run, done, shard, with_rows=with_rows)
    return WrittenJob(job.id, run.id)


def analyze(engine: Engine) -> None:
    """Collect statistics as autovacuum does after many writes."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in TABLES:
            connection.execute(text(f"VACUUM ANALYZE {table}"))


def _write_results(session: Session, job: Job, run: Run, done: int, shard: int, *, with_rows: bool) -> None:
    hardware_id = remember_hardware(session, [MACHINE]).id_of(MACHINE)
    about = {"run": run.id, "dataset": job.dataset_id, "images": run.total, "done": done, "size": shard}
    about |= {"fail_from": int(FAIL_FROM * run.total), "failing": FAILING, "hardware": hardware_id}
    about |= {"batch": BATCH, "stage": FAILS_IN, **TIMES}
    session.execute(text(SHARDS), about)
    if with_rows:
        # Without statistics of what was just written, the planner looks through all images once per shard.
        session.execute(text("ANALYZE dataset_images, shards"))
        session.execute(text(RESULTS), about)
    counts = text("SELECT coalesce(sum(failed), 0) FROM shards WHERE run_id = :run")
    run.failed = int(session.execute(counts, about).scalar_one())
    run.succeeded = done - run.failed
    merge(session, job, run, _tallies(session, run, hardware_id))


def _tallies(session: Session, run: Run, hardware_id: uuid.UUID | None) -> dict[Cell, Tally]:
    """Count the run's results, all of which have equal times."""
    now = session.execute(select(func.now())).scalar_one()
    whole = Cell(hardware_id, None, IMAGE, now.replace(minute=0, second=0, microsecond=0), BATCH, False)
    tallies = {}
    for stage, ms in measures(TIMES).items():
        counts = Counter({bucket: run.succeeded for bucket in [bucket_of(ms)] if bucket is not None})
        tallies[whole._replace(stage=stage)] = Tally(run.succeeded, sum_ms=ms * run.succeeded, counts=counts)
    tallies[whole].merge(Tally(failures=run.failed, started_at=now, ended_at=now))
    tallies[whole._replace(stage=FAILS_IN)].failures = run.failed
    return tallies
