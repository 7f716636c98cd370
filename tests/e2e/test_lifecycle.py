"""Pause, resume, retry, rerun and deletion on the real stack, by command and by REST."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.images.scenes import write_scenes
from fixtures.servers.running_stack import Samfleet
from fixtures.waiting import until
from samfleet.client.client import SamfleetClient
from samfleet.client.create_dataset import create_dataset
from samfleet.client.local_source import Source
from samfleet.client.transport import ApiError

TASK = {"kind": "everything", "points_per_side": 2}
IMAGES = 12  # four shards of two may be computed already when the pause comes


def test_a_job_is_paused_resumed_retried_and_deleted(samfleet: Samfleet, tmp_path: Path) -> None:
    paths = write_scenes(tmp_path / "images", IMAGES)
    broken, whole = paths[-1], paths[-1].read_bytes()
    with SamfleetClient(samfleet.info.api_url, samfleet.info.api_key) as client:
        dataset = create_dataset(client, Source(broken.parent))
        broken.write_bytes(whole[: len(whole) // 2])
        job = client.submit_job(dataset.id, ["mobile_sam"], TASK)
        assert samfleet("jobs", "pause", job.id, "--json").json()["state"] == "paused"
        until(lambda: client.job(job.id).counts.in_progress == 0)
        assert client.job(job.id).state == "paused"
        assert client.resume_job(job.id).state in {"queued", "running"}
        until(lambda: client.job(job.id).is_over)
        assert client.job(job.id).state == "completed_with_errors"
        assert [error.file_name for error in client.job_errors(job.id)] == [broken.name]

        broken.write_bytes(whole)
        samfleet("jobs", "retry", job.id, "--json").json()
        until(lambda: client.job(job.id).is_over)
        ended = client.job(job.id)
        assert (ended.state, ended.counts.succeeded, ended.counts.failed) == ("completed", IMAGES, 0)
        out = tmp_path / "out"
        followed = samfleet("jobs", "follow", job.id, "--out", out, "--json")
        assert (followed.exit_code, followed.json()["counts"]["succeeded"]) == (0, IMAGES)

        again = samfleet("jobs", "rerun", job.id, "--name", "again", "--json").json()
        assert (again["parent_id"], again["counts"]["total"]) == (job.id, IMAGES)
        client.pause_job(again["id"])
        client.delete_job(again["id"], cancel=True)
        assert samfleet("jobs", "delete", job.id, "--yes").exit_code == 0
        with pytest.raises(ApiError, match="does not exist"):
            client.job(job.id)
        assert client.dataset(dataset.id).image_count == IMAGES
