"""A worker is killed in the middle of a job: the job still ends, with each image exactly once."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from fixtures.images.scenes import write_scenes
from fixtures.servers.running_stack import Samfleet
from fixtures.waiting import until
from samfleet.client.client import SamfleetClient

IMAGES = 6


def test_a_killed_worker_loses_no_image_and_doubles_none(samfleet: Samfleet, tmp_path: Path) -> None:
    folder = write_scenes(tmp_path / "images", IMAGES)[0].parent
    out = tmp_path / "out"
    with samfleet.started(
        "segment", folder, "--variant", "mobile_sam", "--points-per-side", 1, "--out", out, "--json"
    ) as process:
        assert process.stderr is not None
        job_id = next(line.split()[1] for line in process.stderr if line.startswith("job "))
        until(lambda: _is_in_the_middle(samfleet, job_id))
        killed = samfleet.pid_of("worker")
        os.kill(killed, signal.SIGKILL)
        _stdout, rest = process.communicate(timeout=240)
    assert process.returncode == 0, rest
    assert samfleet.pid_of("worker") != killed
    assert samfleet.recorded(job_id) == (IMAGES, IMAGES, IMAGES)
    assert samfleet.claimed_again(job_id) >= 1


def _is_in_the_middle(samfleet: Samfleet, job_id: str) -> bool:
    with SamfleetClient(samfleet.info.api_url, samfleet.info.api_key) as client:
        counts = client.job(job_id).counts
    return 0 < counts.succeeded + counts.in_progress < IMAGES
