"""Parts of the stack are restarted one by one while a client submits jobs; `tests/chaos` does it with all parts."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from fixtures.images.scenes import write_scenes
from fixtures.servers.patient_client import PatientClient
from fixtures.servers.running_stack import FIXED, Samfleet
from fixtures.waiting import until
from samfleet.client.client import SamfleetClient
from samfleet.client.create_dataset import create_dataset
from samfleet.client.local_source import Source
from samfleet.client.wait import follow_job
from samfleet_cli.local_stack.stack import stack_status

IMAGES = 12
PARTS = ("api", "control", "worker")


def restart(samfleet: Samfleet, part: str) -> None:
    """Stop a part as an update does, and wait until its successor is ready."""
    stopped = samfleet.pid_of(part)
    os.kill(stopped, signal.SIGTERM)

    def replaced() -> bool:
        status = stack_status(samfleet.info.state_dir)
        return status.state == "running" and {one.name: one.pid for one in status.parts}[part] != stopped

    until(replaced)


def test_clients_see_no_restart_and_no_image_is_lost(samfleet: Samfleet, tmp_path: Path) -> None:
    info = samfleet.info
    folder = write_scenes(tmp_path / "images", IMAGES)[0].parent
    with SamfleetClient(info.api_url, info.api_key) as client:
        dataset = create_dataset(client, Source(folder))
        task = {"kind": "everything", "points_per_side": 2}
        first = client.submit_job(dataset.id, [FIXED], task).id
        request = {"dataset_id": dataset.id, "variants": [FIXED], "task": task}
        patient = PatientClient(info.api_url, info.api_key, first, request)
        with patient.at_work():
            for part in PARTS:
                patient.submit_another()
                restart(samfleet, part)
            until(lambda: len(patient.submitted) == len(PARTS))
        assert patient.wrong == []
        jobs = [first, *patient.submitted.values()]
        assert len(set(jobs)) == 1 + len(PARTS)
        for job_id in jobs:
            assert follow_job(client, job_id, lambda _job: None).state == "completed"
            assert samfleet.recorded(job_id) == (IMAGES, IMAGES, IMAGES)
