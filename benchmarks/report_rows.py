"""Rows for the benchmark of reports: runs of several variants on several machines, spread over a month."""

from __future__ import annotations

import io
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import numpy as np
import psycopg
from sqlalchemy import Engine, insert, text

from samfleet.db.models import (
    Dataset,
    DatasetImage,
    DatasetSource,
    DatasetState,
    Hardware,
    HardwarePrice,
    Job,
    JobState,
    Run,
    RunState,
    Shard,
    ShardState,
    Tenant,
)
from samfleet.db.session import transaction

RUNS = 40
VARIANTS = ("mobile_sam", "edge_sam", "sam_vit_b", "sam2_1_hiera_t", "efficient_sam_s")
MACHINES = ("NVIDIA H200", "NVIDIA L4", "AMD EPYC", "NVIDIA A100")
BATCHES = np.array([1, 4, 8, 16])
START = datetime(2026, 10, 1, tzinfo=UTC)
CHUNK = 50_000
FAILING = 0.001
HOURS_A_RUN = 6
STAGES = {
    "queue_shard_ms": 300.0,
    "queue_triton_ms": 20.0,
    "fetch_ms": 3.0,
    "preprocess_ms": 9.0,
    "encode_ms": 12.0,
    "decode_ms": 60.0,
    "postprocess_ms": 25.0,
    "store_ms": 0.4,
}
COLUMNS = ("run_id", "dataset_image_id", "image_id", "shard_id", "outcome", "error_code", "error_stage", "part_key",
           "part_line", "mask_count", "hardware_id", "checkpoint_sha256", "batch_size", "clock", "warmup",
           "quality_instances", "quality_iou_sum", *STAGES, "created_at")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Loaded:
    tenant_id: uuid.UUID
    runs: list[uuid.UUID]
    hardware: list[uuid.UUID]
    variants: tuple[str, ...]
    week: tuple[datetime, datetime]


def load(engine: Engine, images: int) -> Loaded:
    """Insert `images` rows in `RUNS` runs over one dataset; indexes stay as in production."""
    per_run = images // RUNS
    with transaction(engine) as session:
        tenant = Tenant(name="bench")
        session.add(tenant)
        session.flush()
        dataset = Dataset(tenant_id=tenant.id, name="bench", source=DatasetSource.UPLOAD, state=DatasetState.SEALED)
        dataset.image_count = per_run
        machines = [
            Hardware(fingerprint_sha256=name.ljust(64, "0"), device_kind="cuda", device_name=name, facts={"name": name},
                     first_seen_at=START) for name in MACHINES
        ]  # fmt: skip
        session.add_all([dataset, *machines])
        session.flush()
        session.add_all(
            [HardwarePrice(tenant_id=tenant.id, hardware_id=row.id, per_hour=1, currency="USD") for row in machines]
        )
        first_image = _images(session, dataset.id, per_run)
        tenant_id, dataset_id, hardware = tenant.id, dataset.id, [row.id for row in machines]
    runs = []
    for number in range(RUNS):
        with transaction(engine) as session:
            run_id, shard_id = _run(session, tenant_id, dataset_id, number, per_run)
        _results(engine, number, run_id, shard_id, hardware[number // len(VARIANTS) % len(MACHINES)],
                 first_image, per_run)  # fmt: skip
        runs.append(run_id)
        print(f"run {number + 1} of {RUNS} loaded", flush=True)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE image_results"))
    return Loaded(tenant_id, runs, hardware, VARIANTS, (START + timedelta(days=7), START + timedelta(days=14)))


def _images(session: Any, dataset_id: uuid.UUID, count: int) -> int:
    session.execute(
        text(
            "INSERT INTO dataset_images (dataset_id, position, image_id, file_name, uri, size_bytes) "
            "SELECT :dataset, n, n + 1, n || '.jpg', 'store:' || n, 1 FROM generate_series(0, :count - 1) AS n"
        ),
        {"dataset": dataset_id, "count": count},
    )
    return int(session.query(DatasetImage.id).order_by(DatasetImage.id).limit(1).scalar())


def _run(session: Any, tenant_id: uuid.UUID, dataset_id: uuid.UUID, number: int, count: int) -> tuple[uuid.UUID, int]:
    began = START + timedelta(hours=18 * number)
    job = Job(tenant_id=tenant_id, dataset_id=dataset_id, task={}, image_count=count, request_sha256="0" * 64)
    job.state = JobState.COMPLETED
    session.add(job)
    session.flush()
    run = Run(job_id=job.id, variant=VARIANTS[number % len(VARIANTS)], pool="default", total=count)
    run.task, run.state = {"kind": "everything", "points_per_side": 32}, RunState.COMPLETED
    session.add(run)
    session.flush()
    values = {"run_id": run.id, "index": 0, "first_position": 0, "last_position": count - 1, "part_key": "part"}
    shard = insert(Shard).values(**values, state=ShardState.DONE, claimed_at=began).returning(Shard.id)
    return run.id, int(session.execute(shard).scalar_one())


def _results(
    engine: Engine, number: int, run_id: uuid.UUID, shard_id: int, machine: uuid.UUID, first_image: int, count: int
) -> None:
    rng = np.random.default_rng(number)
    began = START + timedelta(hours=18 * number)
    connection = engine.raw_connection()
    try:
        with cast("psycopg.Cursor[Any]", connection.cursor()) as cursor:
            cursor.execute("SET session_replication_role = replica")  # skips the check of foreign keys for each row
            with cursor.copy(f"COPY image_results ({', '.join(COLUMNS)}) FROM STDIN") as copy:
                for start in range(0, count, CHUNK):
                    copy.write(_chunk(rng, number, (run_id, shard_id, machine), first_image, began,
                                      range(start, min(start + CHUNK, count)), count))  # fmt: skip
        connection.commit()
    finally:
        connection.close()


def _chunk(
    rng: np.random.Generator, number: int, ids: tuple[uuid.UUID, int, uuid.UUID], first_image: int,
    began: datetime, positions: range, count: int,
) -> str:  # fmt: skip
    """Return text rows for COPY; one image in a thousand fails, the first hundred are warm-up."""
    run_id, shard_id, machine = ids
    size = len(positions)
    speed = 1 + number % len(VARIANTS) + number // len(VARIANTS) % len(MACHINES)
    times = np.stack([rng.lognormal(np.log(ms * speed), 0.4, size) for ms in STAGES.values()], axis=1).tolist()
    batches, fails = rng.choice(BATCHES, size).tolist(), (rng.random(size) < FAILING).tolist()
    seconds = HOURS_A_RUN * 3600 / count
    lines = io.StringIO()
    for index, position in enumerate(positions):
        at = began + timedelta(seconds=position * seconds)
        outcome = ("failed", "image_truncated", "preprocess") if fails[index] else ("succeeded", r"\N", r"\N")
        values = (run_id, first_image + position, position + 1, shard_id, *outcome, "part", position, 20, machine,
                  "ab", batches[index], "cuda_event", position < 100, 2, 1.5,  # noqa: PLR2004 - the first hundred
                  *(f"{value:.4f}" for value in times[index]), at.isoformat())  # fmt: skip
        lines.write("\t".join(map(str, values)) + "\n")
    return lines.getvalue()
