"""A folder that grows: the next version of its dataset, and a job that computes only what is new."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image

from fixtures.images.encoded_images import encoded
from fixtures.servers.running_stack import FIXED, FIXED_MASKS, Samfleet
from samfleet.client.client import SamfleetClient
from samfleet.client.schemas import Job

TASK = {"kind": "everything", "points_per_side": 1}


def photo(folder: Path, name: str, grey: int, side: int = 40) -> None:
    (folder / name).write_bytes(encoded(Image.new("RGB", (side, 30), (grey, 10, 0))))


def carry_out(samfleet: Samfleet, client: SamfleetClient, dataset_id: str, out: Path, **fields: Any) -> tuple[Job, Any]:
    job = client.submit_job(dataset_id, [FIXED], TASK, **fields)
    finished = samfleet("jobs", "follow", job.id, "--out", out)
    assert finished.exit_code == 0, finished.stderr
    return client.job(job.id), json.loads((out / f"{FIXED}.coco.json").read_text())


def test_a_job_on_the_next_version_computes_only_what_is_new(samfleet: Samfleet, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(30):
        photo(folder, f"{number:02}.png", number)
    words = ["segment", folder, "--variant", FIXED, "--points-per-side", 1, "--out", tmp_path / "first", "--json"]
    first = samfleet(*words)
    assert first.exit_code == 0, first.stderr
    (folder / "03.png").unlink()
    photo(folder, "07.png", 7, side=44)
    for number in range(5):
        photo(folder, f"{number:02}-new.png", 100 + number)
    with SamfleetClient(samfleet.info.api_url, samfleet.info.api_key) as client:
        earlier = client.job(first.json()["job_id"])
        refreshed = samfleet("datasets", "refresh", earlier.dataset_id)
        assert refreshed.exit_code == 0, refreshed.stderr
        version = refreshed.json()
        assert version["changes"] == {"new": 5, "changed": 1, "gone": 1, "unchanged": 28}
        job, masks = carry_out(samfleet, client, version["id"], tmp_path / "second", reuse_results=True)
        assert (job.counts.succeeded, job.images_reused) == (34, 28)
        assert samfleet.recorded(job.id) == (34, 34, 34)
        fresh, computed = carry_out(samfleet, client, version["id"], tmp_path / "fresh")
        assert (fresh.counts.succeeded, fresh.images_reused) == (34, 0)
        assert masks == computed
        assert len(masks) == 34 * FIXED_MASKS
        rates = client.report("throughput", {"job": job.id})["rows"]
        assert [row["n"] for row in rates] == [6]
        client.delete_job(earlier.id)
        again = samfleet("jobs", "follow", job.id, "--out", tmp_path / "later")
        assert again.exit_code == 0, again.stderr
        assert json.loads((tmp_path / "later" / f"{FIXED}.coco.json").read_text()) == masks
    words = [*words[:-2], tmp_path / "third", "--reuse-results", "--json"]
    third = samfleet(*words)
    assert third.exit_code == 0, third.stderr
    with SamfleetClient(samfleet.info.api_url, samfleet.info.api_key) as client:
        assert client.job(third.json()["job_id"]).images_reused == 34
