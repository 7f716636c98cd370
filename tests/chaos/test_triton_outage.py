"""A separate Triton stops during a job and returns: the job ends, and no attempt is counted."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from fixtures.images.scenes import write_scenes
from fixtures.servers.chaos_stack import VARIANT, tiny_variant
from fixtures.servers.triton import free_ports, running_triton
from fixtures.worker.job_rows import make_dataset, make_job
from samfleet.db.models import ImageResult, Run, Shard
from samfleet.db.session import read_only, transaction
from samfleet.jobs.queue import CONTROL_QUEUE, CeleryTaskQueue, TaskName
from samfleet.storage.file_store import FileStore
from samfleet_cli.local_stack.own_variants import write_own_repository

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(2400)]

IMAGES = 400
AWAY_SECONDS = float(os.environ.get("CHAOS_AWAY_SECONDS", "40"))  # with two attempts the run fails after three
PATIENCE_SECONDS = 240


@pytest.fixture
def worker(
    engine: Engine, database_url: str, broker_url: str, tmp_path: Path
) -> Iterator[tuple[CeleryTaskQueue, ExitStack, int, Path]]:
    """A real worker process for the address of a Triton, and a function that stops the Triton started there."""
    (grpc,) = free_ports(1)
    with tiny_variant(tmp_path) as variants, closing(CeleryTaskQueue(broker_url)) as queue, ExitStack() as triton:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "SAMFLEET_DATABASE_URL": database_url,
            "SAMFLEET_BROKER_URL": broker_url,
            "SAMFLEET_STORAGE_URL": (tmp_path / "store").as_uri(),
            "SAMFLEET_POOLS": f"default=127.0.0.1:{grpc}",
            "SAMFLEET_VARIANTS_DIR": str(variants),
            "SAMFLEET_MAX_SHARD_ATTEMPTS": "2",
            "SAMFLEET_LEASE": "5",
        }
        argv = [sys.executable, "-m", "celery", "-A", "samfleet_worker.app", "worker", "--pool", "threads"]
        argv += ["--concurrency", "3", "--hostname", "w@test", "-Q", f"{CONTROL_QUEUE},samfleet.pool.default"]
        with (tmp_path / "worker.log").open("wb") as log:
            process = subprocess.Popen(argv, env=environment, stdout=log, stderr=log, cwd=tmp_path)
        try:
            yield queue, triton, grpc, tmp_path
        finally:
            process.kill()
            process.wait()


def start_triton(triton: ExitStack, port: int, folder: Path) -> None:
    own = write_own_repository(folder / "models")
    extra = {"SAMFLEET_VARIANTS_DIR": str(folder / "variants")}
    weights = folder / "weights"
    triton.enter_context(
        running_triton(folder, weights, [VARIANT], grpc_port=port, own_repository=own, extra_env=extra)
    )


def test_a_job_completes_after_an_outage_of_triton(
    engine: Engine, worker: tuple[CeleryTaskQueue, ExitStack, int, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    queue, triton, port, folder = worker
    start_triton(triton, port, folder)
    store, scenes = FileStore(folder / "store"), write_scenes(folder / "scenes", 20)
    for number in range(IMAGES):
        store.put(f"uploads/{number}", scenes[number % 20].read_bytes())
    with transaction(engine) as session:
        dataset = make_dataset(session, IMAGES, uris=[f"store:uploads/{number}" for number in range(IMAGES)])
        job = make_job(session, queue, dataset, variants=[VARIANT])
        run = session.scalars(select(Run).where(Run.job_id == job.id)).one()
    wait_for(queue, engine, run, lambda run: 0 < run.succeeded < IMAGES)

    triton.close()
    went = time.monotonic()
    wait_for(queue, engine, run, lambda run: time.monotonic() - went > AWAY_SECONDS, AWAY_SECONDS + 60)
    with read_only(engine) as session:
        waits, attempts = session.execute(select(func.max(Shard.waits), func.max(Shard.attempts))).one()
        stalled = session.get_one(Run, run.id)
        before = stalled.succeeded
    assert (stalled.stalled_code, stalled.stalled_since is None) == ("triton_unavailable", False)
    start_triton(triton, port, folder)
    back = time.monotonic()
    wait_for(queue, engine, run, lambda run: run.finished_at is not None)

    with read_only(engine) as session:
        ended = session.get_one(Run, run.id)
        images = session.scalar(select(func.count(ImageResult.dataset_image_id.distinct())))
        worst = session.scalar(select(func.max(Shard.attempts)))
    assert (ended.state.value, ended.succeeded, images, worst, attempts) == ("completed", IMAGES, IMAGES, 0, 0)
    seconds = time.monotonic() - back
    with capsys.disabled():
        print(
            f"\nTriton away for {back - went:.0f} s at {before} of {IMAGES} images: ended {seconds:.1f} s "
            f"after it was back; at most {waits} uncounted returns and {worst} attempts of a shard"
        )


def wait_for(
    queue: CeleryTaskQueue, engine: Engine, run: Run, what: Callable[[Run], bool], seconds: float = PATIENCE_SECONDS
) -> None:
    deadline = time.monotonic() + seconds
    while True:
        with read_only(engine) as session:
            seen = session.get_one(Run, run.id)
        if what(seen):
            return
        assert seen.error_code is None, seen.error_message
        assert time.monotonic() < deadline
        queue.send(TaskName.SWEEP, queue=CONTROL_QUEUE)
        time.sleep(0.5)
