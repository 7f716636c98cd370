"""The chart's pods, run by its own commands, variables, volumes and probes, carry out a job and stop when asked."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import Engine, text

from fixtures.images.scenes import write_scenes
from fixtures.servers.helm_chart import Container, container, render, values_of
from fixtures.servers.pods import BIN, SECRET, Pod, Running, pod, wait_for
from fixtures.servers.running_stack import FIXED, FIXED_MASKS

GRACE_SECONDS = 60  # far below the chart's grace periods, which must suffice on a busy node
VALUES: dict[str, Any] = {
    **values_of("one-node-cpu"),
    "objectStore": {"url": "file:///var/lib/store", "credentials": False},
    "extraVolumes": [{"name": "store", "persistentVolumeClaim": {"claimName": "store"}}],
    "extraVolumeMounts": [{"name": "store", "mountPath": "/var/lib/store"}],
    "variants": {"load": [FIXED], "own": {f"{FIXED}.yaml": f"fixed: {{masks: {FIXED_MASKS}}}\n"}},
    "settings": {"SAMFLEET_SWEEP_INTERVAL": 1},
}


class Release:
    """The pods of one release."""

    def __init__(self, folder: Path, database_url: str, broker_url: str, stack: ExitStack) -> None:
        self._objects, self._folder, self._stack = render(VALUES), folder, stack
        self._shared = {name: folder / name for name in ("store", "weights", "variants")}
        self._shared["variants"].mkdir(parents=True)
        for name, content in VALUES["variants"]["own"].items():
            (self._shared["variants"] / name).write_text(content)
        self._replaced = {
            "SAMFLEET_DATABASE_URL": database_url.replace("=/tmp/", "=/mnt/"),
            "SAMFLEET_BROKER_URL": broker_url.replace("/tmp/", "/mnt/"),
        }

    def container(self, name: str) -> Container:
        return container(self._objects, name)

    def pod(self, name: str) -> Pod:
        made = pod(name, self._folder / "pods" / name, self._shared, self._replaced)
        return self._stack.enter_context(made)

    def run_job(self, name: str) -> None:
        """Run a Job of one container to its end."""
        self.pod(name).run(self.container(f"samfleet-{name}/{name}"))

    def start(self, name: str) -> Running:
        """Start a Deployment of one container."""
        return self.pod(name).start(self.container(f"samfleet-{name}/{name}"))


@pytest.fixture
def release(tmp_path: Path, database_url: str, broker_url: str) -> Iterator[Release]:
    with ExitStack() as stack:
        yield Release(tmp_path, database_url, broker_url, stack)


def wait_for_http(api: Running, in_pod: Pod, probe: str) -> None:
    path = api.container.facts[probe]["httpGet"]["path"]
    argv = (BIN / "python", "-c", _WAIT, f"http://127.0.0.1:8080{path}")
    done = in_pod.call(argv, {"PATH": f"{BIN}:/usr/bin:/bin"})
    assert done.returncode == 0, done.stderr + api.log.read_text()[-4000:]


_WAIT = """
import sys, time, urllib.request
deadline = time.monotonic() + 60
while True:
    try:
        sys.exit(urllib.request.urlopen(sys.argv[1], timeout=5).status != 200)
    except OSError as error:
        if time.monotonic() > deadline:
            sys.exit(f"{sys.argv[1]}: {error}")
        time.sleep(0.1)
"""


def start_pool(release: Release, name: str) -> tuple[Running, Running]:
    """Start a pod of the pool in the order of Kubernetes: the init container, the sidecar, then the worker."""
    pool = release.pod(name)
    pool.run(release.container("samfleet-pool-cpu/wait-for-weights"))
    triton = pool.start(release.container("samfleet-pool-cpu/triton"))
    wait_for(triton)
    worker = pool.start(release.container("samfleet-pool-cpu/worker"))
    wait_for(worker)
    return triton, worker


def segment_argv(images: Path, out: Path) -> tuple[str | Path, ...]:
    return BIN / "samfleet", "segment", images, "--variant", FIXED, "--out", out, "--json"


def client_env(folder: Path) -> dict[str, str]:
    return {
        "PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(folder), "SAMFLEET_API_URL": "http://127.0.0.1:8080",
        "SAMFLEET_API_KEY": SECRET,
    }  # fmt: skip


def check_result(status: int, output: str, errors: str) -> None:
    assert status == 0, errors
    summary: Mapping[str, Any] = json.loads(output)
    assert summary["counts"] == {"total": 2, "succeeded": 2, "failed": 0}
    assert summary["runs"][0]["masks"] == 2 * FIXED_MASKS


@contextmanager
def suspended_model(triton: Running) -> Iterator[None]:
    """Let the variant's process stop computing; Triton itself still replies."""
    stubs = [child for child in psutil.Process(triton.process.pid).children() if FIXED in " ".join(child.cmdline())]
    for stub in stubs:
        stub.suspend()
    try:
        yield
    finally:
        for stub in stubs:
            stub.resume()
    assert stubs


def shards(engine: Engine) -> list[tuple[str, int, int]]:
    """Return (state, attempts, waits) of the shards that are not done."""
    with engine.connect() as connection:
        query = text("SELECT state, attempts, waits FROM shards WHERE state <> 'done'")
        return [tuple(row) for row in connection.execute(query)]


def wait_until_leased(engine: Engine) -> None:
    deadline = time.monotonic() + 120
    while not any(state == "leased" for state, _, _ in shards(engine)):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    output, errors = process.communicate(timeout=240)
    return process.returncode, output, errors


@pytest.mark.heavy  # it starts every part: 30 s of CPU
@pytest.mark.timeout(900)
def test_the_pods_of_the_chart_carry_out_jobs_and_hand_shards_back(
    release: Release, tmp_path: Path, engine: Engine
) -> None:
    release.run_job("migrate")
    release.run_job("weights")
    control, beat = release.start("control"), release.start("beat")
    api_pod = release.pod("api")
    api = api_pod.start(release.container("samfleet-api/api"))
    triton, worker = start_pool(release, "samfleet-pool-cpu-5d4f8b7c9-x2x9k")
    for running in (control, beat):
        wait_for(running)
    wait_for_http(api, api_pod, "startupProbe")
    wait_for_http(api, api_pod, "readinessProbe")
    for running in (worker, control):
        assert running.probe("readinessProbe")
    for running in (worker, control, triton, beat):
        assert running.probe("livenessProbe")

    images = write_scenes(tmp_path / "images", 2)[0].parent
    done = api_pod.call(segment_argv(images, tmp_path / "first"), client_env(tmp_path))
    check_result(done.returncode, done.stdout, done.stderr)

    with suspended_model(triton):
        waiting = api_pod.open(segment_argv(images, tmp_path / "second"), client_env(tmp_path))
        wait_until_leased(engine)
        assert worker.stop(GRACE_SECONDS) == 0
        assert [found for found in shards(engine) if found[0] == "leased" or found[1:] != (0, 0)] == []
    triton.process.kill()  # the rest of this pod: another one takes over
    triton, worker = start_pool(release, "samfleet-pool-cpu-5d4f8b7c9-q7m4z")
    check_result(*finish(waiting))

    # the kubelet stops a pod's containers first and its sidecars after them
    statuses = {running.container.name: running.stop(GRACE_SECONDS) for running in (worker, triton, control, beat, api)}
    # uvicorn raises the signal again once it has shut down; process 1 of a container then ends with 0
    assert statuses.pop("samfleet-api/api") in {0, -signal.SIGTERM}
    assert statuses == dict.fromkeys(statuses, 0)
