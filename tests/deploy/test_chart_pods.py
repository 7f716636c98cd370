"""The chart's pods, run by its own commands, variables, volumes and probes, carry out a job and stop when asked."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from fixtures.images.scenes import write_scenes
from fixtures.servers.helm_chart import Container, container, render, values_of
from fixtures.servers.pods import BIN, SECRET, Pod, Running, pod, wait_for
from fixtures.servers.running_stack import FIXED, FIXED_MASKS

GRACE_SECONDS = 30  # far below the chart's grace periods, which must suffice on a busy node
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
        for name, text in VALUES["variants"]["own"].items():
            (self._shared["variants"] / name).write_text(text)
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


def segment(in_pod: Pod, images: Path, out: Path) -> Mapping[str, Any]:
    env = {
        "PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(out.parent), "SAMFLEET_API_URL": "http://127.0.0.1:8080",
        "SAMFLEET_API_KEY": SECRET,
    }  # fmt: skip
    done = in_pod.call((BIN / "samfleet", "segment", images, "--variant", FIXED, "--out", out, "--json"), env)
    assert done.returncode == 0, done.stderr
    found: Mapping[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.heavy  # it starts every part: 20 s of CPU
def test_the_pods_of_the_chart_carry_out_a_job_and_stop_in_time(release: Release, tmp_path: Path) -> None:
    release.run_job("migrate")
    release.run_job("weights")
    control, beat = release.start("control"), release.start("beat")
    api_pod, pool = release.pod("api"), release.pod("samfleet-pool-cpu-5d4f8b7c9-x2x9k")
    api = api_pod.start(release.container("samfleet-api/api"))
    pool.run(release.container("samfleet-pool-cpu/wait-for-weights"))
    triton = pool.start(release.container("samfleet-pool-cpu/triton"))
    wait_for(triton)
    worker = pool.start(release.container("samfleet-pool-cpu/worker"))
    for running in (worker, control, beat):
        wait_for(running)
    wait_for_http(api, api_pod, "startupProbe")
    wait_for_http(api, api_pod, "readinessProbe")

    scenes = write_scenes(tmp_path / "images", 2)
    summary = segment(api_pod, scenes[0].parent, tmp_path / "out")

    assert summary["counts"] == {"total": 2, "succeeded": 2, "failed": 0}
    assert summary["runs"][0]["masks"] == 2 * FIXED_MASKS
    for running in (worker, control):
        assert running.probe("readinessProbe")
        assert running.probe("livenessProbe")
    assert triton.probe("livenessProbe")
    assert beat.probe("livenessProbe")
    # the kubelet stops a pod's containers first and its sidecars after them
    statuses = {running.container.name: running.stop(GRACE_SECONDS) for running in (worker, triton, control, beat, api)}
    # uvicorn raises the signal again once it has shut down; process 1 of a container then ends with 0
    assert statuses.pop("samfleet-api/api") in {0, -signal.SIGTERM}
    assert statuses == dict.fromkeys(statuses, 0)
