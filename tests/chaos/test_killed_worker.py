"""Real Celery worker processes on a real Redis and PostgreSQL, killed at the worst moment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, select, text, update
from structlog.contextvars import bound_contextvars

from fixtures.api.running_api import serve
from fixtures.images.encoded_images import bright_square
from fixtures.servers.pgbouncer import running_pgbouncer
from fixtures.servers.redis import flush
from fixtures.worker.job_rows import make_dataset, make_job, results_of
from samfleet.config import Settings
from samfleet.db.keys import new_key
from samfleet.db.migrate import register_key
from samfleet.db.models import Job, Run, Shard, ShardState, WorkerHeartbeat
from samfleet.db.session import read_only, transaction
from samfleet.jobs.queue import CONTROL_QUEUE, CeleryTaskQueue, TaskName
from samfleet.storage.file_store import FileStore
from samfleet_api.app import create_app

IMAGES = 20  # five shards of four
PATIENCE_SECONDS = 60
HERE = Path(__file__).parent


@dataclass
class Fleet:
    """Workers that share a gate; `until` sweeps like the beat and polls."""

    engine: Engine
    queue: CeleryTaskQueue
    broker_url: str
    environment: dict[str, str]
    folder: Path
    gate: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start_worker(self) -> subprocess.Popen[bytes]:
        argv = [
            sys.executable,
            "-m",
            "celery",
            "-A",
            "slow_worker",
            "worker",
            "--pool",
            "threads",
            "--concurrency",
            "3",
        ]
        name = f"w{len(self.processes)}"
        argv += ["--hostname", f"{name}@test", "-Q", f"{CONTROL_QUEUE},samfleet.pool.default"]
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(argv, env=self.environment, stdout=log, stderr=log, cwd=self.folder)
        self.processes.append(process)
        return process

    def submit(self) -> Run:
        store = FileStore(self.folder / "store")
        uris = []
        for number in range(IMAGES):
            store.put(f"uploads/{number}", f"image {number} {'first' if number % 4 == 0 else ''}".strip().encode())
            uris.append(f"store:uploads/{number}")
        with transaction(self.engine) as session:
            job = make_job(session, self.queue, make_dataset(session, IMAGES, uris=uris))
            return session.scalars(select(Run).where(Run.job_id == job.id)).one()

    def until(self, what: str, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not true():
            if time.monotonic() > deadline:
                pytest.fail(f"waited {PATIENCE_SECONDS} s for {what}\n{self.logs()}")
            self.queue.send(TaskName.SWEEP, queue=CONTROL_QUEUE)
            time.sleep(0.25)

    def logs(self) -> str:
        return "\n".join(path.read_text()[-3000:] for path in sorted(self.folder.glob("*.log")))

    def shards(self, run: Run) -> list[Shard]:
        with read_only(self.engine) as session:
            return list(session.scalars(select(Shard).where(Shard.run_id == run.id).order_by(Shard.index)))

    def ended(self, run: Run) -> bool:
        with read_only(self.engine) as session:
            return session.get_one(Run, run.id).finished_at is not None

    def in_the_middle(self, run: Run) -> bool:
        """Return whether some shard is leased with images done and others waiting."""
        return any(shard.state is ShardState.LEASED and shard.progress > 0 for shard in self.shards(run))


@pytest.fixture
def fleet(engine: Engine, database_url: str, broker_url: str, tmp_path: Path) -> Iterator[Fleet]:
    with fleet_on(engine, broker_url, tmp_path, SAMFLEET_DATABASE_URL=database_url) as fleet:
        yield fleet


@contextmanager
def fleet_on(engine: Engine, broker_url: str, tmp_path: Path, **settings: str) -> Iterator[Fleet]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(HERE), *filter(None, sys.path)]),
        "CHAOS_GATE": str(tmp_path / "gate"),
        "SAMFLEET_BROKER_URL": broker_url,
        "SAMFLEET_STORAGE_URL": (tmp_path / "store").as_uri(),
        "SAMFLEET_LEASE": "1",
        "SAMFLEET_SHARDS_IN_FLIGHT": "2",
        "SAMFLEET_IMAGES_IN_FLIGHT": "2",
        **settings,
    }
    with closing(CeleryTaskQueue(broker_url)) as queue:
        fleet = Fleet(engine, queue, broker_url, environment, tmp_path, tmp_path / "gate")
        yield fleet
        for process in fleet.processes:
            process.kill()
            process.wait()


def assert_each_image_once(fleet: Fleet, run: Run) -> None:
    results = results_of(fleet.engine, run)
    assert Counter(result.image_id for result in results) == Counter(range(101, 101 + IMAGES))
    with read_only(fleet.engine) as session:
        run = session.get_one(Run, run.id)
    assert (run.state.value, run.succeeded, run.failed, run.masks) == ("completed", IMAGES, 0, IMAGES)


def test_a_job_completes_after_its_worker_is_killed_in_the_middle_of_a_shard(fleet: Fleet) -> None:
    victim = fleet.start_worker()
    run = fleet.submit()
    fleet.until("a shard in the middle", lambda: fleet.in_the_middle(run))
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    assert results_of(fleet.engine, run) == []
    fleet.gate.touch()
    fleet.start_worker()
    fleet.until("the end of the run", lambda: fleet.ended(run))
    assert_each_image_once(fleet, run)
    assert any(shard.suspect for shard in fleet.shards(run))
    assert {shard.attempts for shard in fleet.shards(run)} == {0}


def test_a_job_completes_through_a_pooler_of_transactions(
    engine: Engine, database_url: str, broker_url: str, tmp_path: Path
) -> None:
    """The API, two workers and the control tasks share five sessions; one worker is killed."""
    (folder := tmp_path / "images").mkdir()
    for number in range(IMAGES):  # bytes after the end of a file change no picture, and the gate looks at them
        (folder / f"{number:02}.png").write_bytes(bright_square(8, 8) + (b"first" if number % 4 == 0 else b""))
    with running_pgbouncer(database_url, sessions=5) as pooled:
        pooling = {"SAMFLEET_DATABASE_URL": pooled, "SAMFLEET_DATABASE_POOLING": "transaction"}
        roots = {"SAMFLEET_DATASET_ROOTS": str(folder)}
        with fleet_on(engine, broker_url, tmp_path, **pooling, **roots) as fleet, api_of(fleet) as http:
            dataset = created(http.post("/v1/datasets", json={"source": "directory", "directory": str(folder)}))
            victim = fleet.start_worker()
            body = {"dataset_id": dataset["id"], "variants": ["mobile_sam"], "task": {"kind": "everything"}}
            job = created(http.post("/v1/jobs", json=body))
            with read_only(engine) as session:
                run = session.scalars(select(Run).where(Run.job_id == uuid.UUID(job["id"]))).one()
            fleet.start_worker()
            fleet.until("a shard in the middle", lambda: fleet.in_the_middle(run))
            victim.kill()
            victim.wait()
            fleet.gate.touch()
            fleet.until("the end of the run", lambda: fleet.ended(run))
            assert http.get(f"/v1/jobs/{job['id']}").json()["state"] == "completed"
            counted = Counter(result.image_id for result in results_of(engine, run))
            assert sorted(counted.values()) == [1] * IMAGES


@contextmanager
def api_of(fleet: Fleet) -> Iterator[httpx.Client]:
    """Serve the API with the settings of the workers, and yield a client with a key."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in fleet.environment.items():
            patch.setenv(name, value)
        settings = Settings()
    register_key(settings.database_url, key := new_key(), pooling=settings.database_pooling)
    headers = {"Authorization": f"Bearer {key}"}
    with serve(create_app(settings)) as url, httpx.Client(base_url=url, headers=headers, timeout=30) as http:
        yield http


def created(answer: httpx.Response) -> Any:
    assert answer.status_code in {201, 202}, answer.text
    return answer.json()


def test_a_job_completes_after_redis_loses_all_data(fleet: Fleet) -> None:
    run = fleet.submit()  # not planned: no worker runs yet
    flush(fleet.broker_url)
    with transaction(fleet.engine) as session:  # as if it had been sent thirty seconds ago
        session.execute(update(Job).values(sent_at=text("now() - interval '1 minute'")))
    fleet.gate.touch()
    fleet.start_worker()
    fleet.until("the end of the run", lambda: fleet.ended(run))
    assert_each_image_once(fleet, run)


def test_a_terminated_worker_returns_its_shards(fleet: Fleet) -> None:
    leaving = fleet.start_worker()
    with bound_contextvars(correlation_id="the request"):
        run = fleet.submit()
    fleet.until("a shard in the middle", lambda: fleet.in_the_middle(run))
    with read_only(fleet.engine) as session:
        assert session.scalars(select(WorkerHeartbeat.pool)).all() == ["default"]
    leaving.send_signal(signal.SIGTERM)
    fleet.gate.touch()  # images at Triton finish; shards not started are returned
    leaving.wait(PATIENCE_SECONDS)
    with read_only(fleet.engine) as session:
        assert session.scalars(select(WorkerHeartbeat.pool)).all() == []
    assert all(shard.state is not ShardState.LEASED for shard in fleet.shards(run)), fleet.logs()
    fleet.start_worker()
    fleet.until("the end of the run", lambda: fleet.ended(run))
    assert_each_image_once(fleet, run)
    assert {shard.attempts for shard in fleet.shards(run)} == {0}
    lines = [json.loads(line) for line in (fleet.folder / "w0.log").read_text().splitlines() if line.startswith("{")]
    told = [line for line in lines if line["event"] in {"shard.recorded", "shard.handed_back"}]
    assert {(line["run_id"], line["correlation_id"]) for line in told} == {(str(run.id), "the request")}
