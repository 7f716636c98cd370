"""`samfleet up` with Triton in a real container: a job, a killed supervisor, and the end."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tritonclient.utils import InferenceServerException

from fixtures.images.scenes import write_scenes
from fixtures.servers.container_image import containers_of, podman, triton_image
from fixtures.servers.running_stack import FIXED, FIXED_MASKS, Samfleet, running_stack
from fixtures.waiting import until
from samfleet.variants.user_records import read_variants
from samfleet.variants.weights.pull import pull
from samfleet_cli.local_stack.lock import StackAlreadyRuns
from samfleet_cli.local_stack.processes import wait_gone
from samfleet_cli.local_stack.stack import stack_status, stop_stack
from samfleet_cli.local_stack.state import read_state
from samfleet_worker.triton.client import connect

pytestmark = pytest.mark.containers


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with triton_image(tmp_path_factory.mktemp("image")) as name:
        yield name


@pytest.fixture(scope="module")
def samfleet(tmp_path_factory: pytest.TempPathFactory, image: str) -> Iterator[Samfleet]:
    folder = tmp_path_factory.mktemp("container") / "a, b"
    folder.mkdir()
    weights, variants = folder / "weights", folder / "variants"
    variants.mkdir()
    (variants / f"{FIXED}.yaml").write_text(f"fixed: {{masks: {FIXED_MASKS}}}\n")
    for record in read_variants(variants):
        pull(record, weights)
    settings = {
        "SAMFLEET_TRITON": "container",
        "SAMFLEET_TRITON_IMAGE": image,
        "SAMFLEET_VARIANTS": FIXED,
        "SAMFLEET_VARIANTS_DIR": str(variants),
        "SAMFLEET_WEIGHTS_DIR": str(weights),
        "SAMFLEET_DEVICE": "cpu",
        "SAMFLEET_THREADS": "1",
    }
    with running_stack(folder / "state", **settings) as samfleet:
        yield samfleet
    assert containers_of(image) == [], "the container ended with the stack"


def _address(samfleet: Samfleet) -> str:
    ((address,),) = samfleet.info.pools.values()
    return address


def test_a_job_runs_on_it(samfleet: Samfleet, tmp_path: Path) -> None:
    images = write_scenes(tmp_path / "images", 3)[0].parent
    done = samfleet("segment", images, "--variant", FIXED, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    status = {part.name: part for part in stack_status(samfleet.info.state_dir).parts}
    assert status["triton"].state == "ready"
    assert status["triton"].address == _address(samfleet)


def test_it_listens_on_the_loopback_and_only_for_clients_with_the_secret(samfleet: Samfleet, image: str) -> None:
    host, _, port = _address(samfleet).partition(":")
    (name,) = containers_of(image)
    published = podman("port", name).stdout
    assert host == "127.0.0.1"
    assert f"8001/tcp -> 127.0.0.1:{port}" in published
    assert "0.0.0.0" not in published
    with socket.create_connection((host, int(port)), timeout=5):
        pass
    with closing(connect(_address(samfleet), None)) as stranger, pytest.raises(InferenceServerException):
        stranger.get_server_metadata()


def test_the_container_can_change_nothing_here(samfleet: Samfleet, image: str) -> None:
    (name,) = containers_of(image)
    for path in ("/opt/samfleet/repository/x", "/var/lib/samfleet/weights/x", "/x"):
        tried = podman("exec", name, "sh", "-c", f"echo > {path}", check=False)
        assert tried.returncode != 0
        assert "Read-only file system" in tried.stderr
    assert "CapEff:\t0000000000000000" in podman("exec", name, "cat", "/proc/1/status").stdout
    inspected = podman("inspect", name).stdout
    assert (samfleet.info.state_dir / "triton_secret").read_text() not in inspected


def test_a_killed_container_is_started_again(samfleet: Samfleet, image: str, tmp_path: Path) -> None:
    (before,) = podman("ps", "--quiet", "--filter", f"ancestor={image}").stdout.split()
    podman("kill", "--signal=KILL", before)
    images = write_scenes(tmp_path / "images", 1)[0].parent
    done = samfleet("segment", images, "--variant", FIXED, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.stderr
    (after,) = podman("ps", "--quiet", "--filter", f"ancestor={image}").stdout.split()
    assert after != before


def test_nothing_of_a_killed_stack_stays(samfleet: Samfleet, image: str) -> None:
    """Last: it ends the stack of this file."""
    state = read_state(samfleet.info.state_dir / "stack.json")
    assert state is not None
    triton = next(part.pid for part in state.parts if part.name == "triton")
    os.kill(state.supervisor.pid, signal.SIGKILL)
    assert wait_gone([state.supervisor], 10) == []
    os.kill(triton or 0, signal.SIGKILL)
    assert containers_of(image) != []
    until(lambda: _stopped(samfleet.info.state_dir), seconds=20)
    assert containers_of(image) == []


def _stopped(state_dir: Path) -> bool:
    """Stop the stack, unless the threads of its killed supervisor still hold the lock."""
    try:
        stop_stack(state_dir)
    except StackAlreadyRuns:
        return False
    return True
