"""An API in a separate process, and its memory."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx
import psutil

from samfleet.db.keys import new_key
from samfleet.db.migrate import register_bootstrap_key

START_SECONDS = 60
MIB = 1 << 20


class Api:
    """A running API, its process and a client with an admin's key."""

    def __init__(self, url: str, key: str, process: psutil.Process) -> None:
        self.url = url
        self.headers = {"Authorization": f"Bearer {key}"}
        self.process = process

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers=self.headers, timeout=60, trust_env=False, **options)

    def resident_mib(self) -> float:
        return float(self.process.memory_info().rss / MIB)


@contextmanager
def running_api(database_url: str, folder: Path, streams: int) -> Iterator[Api]:
    key, port = new_key(), _free_port()
    register_bootstrap_key(database_url, key)
    limits = {"REQUESTS_PER_MINUTE": 10**9, "EVENT_STREAMS": streams, "EVENT_STREAMS_PER_KEY": streams}
    environment = {
        **os.environ,
        "SAMFLEET_DATABASE_URL": database_url,
        "SAMFLEET_BROKER_URL": f"redis://127.0.0.1:{_free_port()}/0",
        "SAMFLEET_STORAGE_URL": (folder / "store").as_uri(),
        "SAMFLEET_DATASET_ROOTS": str(folder),
        **{f"SAMFLEET_{name}": str(value) for name, value in limits.items()},
    }
    argv = [sys.executable, "-m", "samfleet_api", "--port", str(port)]
    with (folder / "api.log").open("wb") as log:
        process = subprocess.Popen(argv, env=environment, stdout=log, stderr=log)  # noqa: S603 - our own module
    try:
        api = Api(f"http://127.0.0.1:{port}", key, psutil.Process(process.pid))
        _wait_until_ready(api, process)
        yield api
    finally:
        process.terminate()
        process.wait()


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _wait_until_ready(api: Api, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS
    with api.client() as client:
        while True:
            try:
                client.get("/healthz").raise_for_status()
            except httpx.TransportError:
                if process.poll() is not None or time.monotonic() > until:
                    raise
                time.sleep(0.1)
            else:
                return


class MostMemory:
    """The peak memory of the API's process while open, beyond that at the start. Use it in a `with`."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._done = threading.Event()
        self._watcher = threading.Thread(target=self._watch)
        self.mib_at_rest = self._most = api.resident_mib()

    @property
    def mib_more(self) -> int:
        return round(self._most - self.mib_at_rest)

    def __enter__(self) -> Self:
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._done.wait(0.01):
            self._most = max(self._most, self._api.resident_mib())
