"""A cancelled job releases the workers' slots and Triton to other jobs."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import psutil
import pytest

from fixtures.images.scenes import write_scenes
from fixtures.servers.running_stack import Samfleet
from fixtures.waiting import until
from samfleet.client.client import SamfleetClient
from samfleet.client.create_dataset import create_dataset
from samfleet.client.local_source import Source
from samfleet_cli.local_stack.stack import stack_status

HOURS = {"kind": "everything", "points_per_side": 160}  # 25,600 prompts per image
QUICK = {"kind": "everything", "points_per_side": 1}


@pytest.mark.heavy
def test_a_cancelled_job_frees_slots_and_device_for_the_next(samfleet: Samfleet, tmp_path: Path) -> None:
    big = write_scenes(tmp_path / "big", 40)[0].parent
    small = write_scenes(tmp_path / "small", 4)[0].parent
    with SamfleetClient(samfleet.info.api_url, samfleet.info.api_key) as client:
        job = client.submit_job(create_dataset(client, Source(big)).id, ["mobile_sam"], HOURS)
        until(lambda: cores_of_triton(samfleet, 1) > 0.5)  # the model is running
        client.cancel_job(job.id)
        busy = [round(cores_of_triton(samfleet, 1), 2) for _ in range(4)]
        started = time.monotonic()
        rival = client.submit_job(create_dataset(client, Source(small)).id, ["mobile_sam"], QUICK)
        until(lambda: client.job(rival.id).counts.succeeded >= 1, 100)
        first = time.monotonic() - started
        until(lambda: client.job(rival.id).state == "completed", 100)
        assert client.job(rival.id).counts.succeeded == 4
        assert client.job(job.id).state == "cancelled"
    sys.stdout.write(
        f"Triton's cores in each second after the cancel: {busy}; the rival's first image after {first:.1f} s\n"
    )


def cores_of_triton(samfleet: Samfleet, seconds: float) -> float:
    """Return the mean CPU use of the server and its stubs over some seconds."""
    pid = next(part.pid for part in stack_status(samfleet.info.state_dir).parts if part.name == "triton")
    assert pid is not None
    server = psutil.Process(pid)

    def used() -> float:
        times = [process.cpu_times() for process in (server, *server.children(recursive=True))]
        return sum(time.user + time.system for time in times)

    before = used()
    time.sleep(seconds)
    return (used() - before) / seconds
