"""A second worker beside the stack, started by the suite, which no supervisor watches. Its clock may be shifted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import text

from chaos.suite.failure import wait_for
from chaos.suite.job import has_open_shards
from chaos.suite.surroundings.surrounding import EVERYWHERE, NotPossibleHere, Place, Surroundings
from fixtures.servers.chaos_stack import ChaosStack, closing_engine
from samfleet.config import Settings
from samfleet.db.session import read_only
from samfleet_cli.local_stack.plan import CONTROL_QUEUE, EMBEDDED_POOL, shared_environment

READY_SECONDS = 120.0
TAKEN_SECONDS = 300.0  # a worker stopped in a transaction keeps its locks for half a minute
STOP_SECONDS = 30.0
LIBRARIES = tuple(
    Path("/usr/lib") / folder / "faketime" / "libfaketime.so.1" for folder in ("x86_64-linux-gnu", "aarch64-linux-gnu")
)


@contextmanager
def second_worker(place: Place) -> Iterator[Surroundings]:
    """Surroundings with a worker that may be stopped until others have taken its shards."""
    with _Worker.reaped(place.folder) as worker:
        yield Surroundings(hits={**EVERYWHERE, "stop": worker.stop_until_taken}, beside=worker.beside)


@contextmanager
def shifted_clock(place: Place) -> Iterator[Surroundings]:
    """Surroundings with a worker for all queues whose wall clock jumps. Its monotonic clock does not.

    It sweeps and cleans like the control worker, and every walk for orphans starts at once.
    """
    library = next((path for path in LIBRARIES if path.is_file()), None)
    if library is None:
        raise NotPossibleHere("needs libfaketime: apt-get install faketime")
    shift = place.folder / "shift"
    shift.write_text("+0")
    environment = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(shift),
        "FAKETIME_CACHE_DURATION": "1",  # seconds
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",  # times of files are those of the disk
    }

    def jump(_stack: ChaosStack, target: str) -> bool:
        shift.write_text(target)
        return True

    with _Worker.reaped(place.folder, environment, f"{CONTROL_QUEUE},") as worker:
        settings = {"SAMFLEET_ORPHAN_INTERVAL": "PT0.5S", "SAMFLEET_CLEAN_INTERVAL": "PT0.5S"}
        yield Surroundings(settings, {**EVERYWHERE, "jump": jump}, beside=worker.beside)


class _Worker:
    """The process. It ends with the context `beside`."""

    def __init__(self, log: Path, environment: Mapping[str, str], queues: str) -> None:
        self._log = log
        self._environment = environment
        self._queues = f"{queues}samfleet.pool.{EMBEDDED_POOL}"
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    @contextmanager
    def reaped(cls, folder: Path, environment: Mapping[str, str] | None = None, queues: str = "") -> Iterator[_Worker]:
        worker = cls(folder / "second-worker.log", environment or {}, queues)
        try:
            yield worker
        finally:
            worker.end()

    @contextmanager
    def beside(self, stack: ChaosStack) -> Iterator[None]:
        info, own = stack.samfleet.info, stack.settings
        shared = shared_environment(info, Settings(), Path(own["SAMFLEET_WEIGHTS_DIR"]))
        environment = {**stack.samfleet.environment, **own, **shared, "SAMFLEET_POOL": EMBEDDED_POOL}
        argv = [sys.executable, "-m", "celery", "-A", "samfleet_worker.app", "worker", "--pool", "threads"]
        argv += ["--concurrency", "4", "--hostname", "second@samfleet", "-Q", self._queues]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(argv, env={**environment, **self._environment}, stdout=log, stderr=log)
        wait_for("the second worker", lambda: self._ask(stack, HEARTBEAT), READY_SECONDS)
        try:
            yield
        finally:
            self.end()

    def stop_until_taken(self, stack: ChaosStack, _target: str) -> bool:
        """Stop the worker while it holds shards, and continue it after others have claimed all of them."""
        process = self._running()
        held: list[tuple[int, int]] = []
        while not held:
            wait_for("a shard of the second worker", lambda: self._holds_or_ended(stack), TAKEN_SECONDS)
            if not has_open_shards(stack):
                return False
            process.send_signal(signal.SIGSTOP)
            held = [(row.id, row.token) for row in self._ask(stack, HELD)]
            if not held:  # it recorded them just before
                process.send_signal(signal.SIGCONT)
        try:
            for shard, token in held:
                values = {"id": shard, "token": token}
                wait_for(f"shard {shard} in another worker", lambda v=values: self._ask(stack, TAKEN, v), TAKEN_SECONDS)  # type: ignore[misc]
        finally:
            process.send_signal(signal.SIGCONT)
        return True

    def _holds_or_ended(self, stack: ChaosStack) -> bool:
        return bool(self._ask(stack, HELD)) or not has_open_shards(stack)

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_SECONDS)

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        assert self._process.poll() is None, f"the second worker has ended, {self._log} says why"
        return self._process

    def _ask(self, stack: ChaosStack, query: str, values: Mapping[str, Any] | None = None) -> list[Any]:
        name = f"{EMBEDDED_POOL}@{os.uname().nodename}:{self._running().pid}"
        with closing_engine(stack.samfleet.info.database_url) as engine, read_only(engine) as session:
            return list(session.execute(text(query), {"worker": name, **(values or {})}).all())


HEARTBEAT = "SELECT worker FROM worker_heartbeats WHERE worker = :worker AND triton_ready"
HELD = "SELECT id, token FROM shards WHERE worker = :worker AND state = 'leased'"
TAKEN = "SELECT id FROM shards WHERE id = :id AND (token > :token OR state = 'done') AND :worker <> ''"
