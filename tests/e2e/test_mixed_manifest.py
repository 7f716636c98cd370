"""A manifest of files, objects and URLs as one job on the real stack: each image exactly once."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from fixtures.images.encoded_images import encoded
from fixtures.servers.file_server import FileServer, Served
from fixtures.servers.running_stack import FIXED, FIXED_MASKS, READABLE_BUCKET, Samfleet
from fixtures.servers.s3_server import Buckets
from fixtures.waiting import until
from samfleet.client.client import SamfleetClient

EACH = 4  # of every kind


def test_a_manifest_mixes_files_objects_and_urls(
    samfleet: Samfleet, buckets: Buckets, shared_file_server: FileServer, tmp_path: Path
) -> None:
    photo = encoded(Image.new("RGB", (40, 30), (200, 10, 0)))
    bucket = buckets.make({f"{n}.png": photo for n in range(EACH)}, READABLE_BUCKET)
    lines = []
    for n in range(EACH):
        (tmp_path / f"{n}.png").write_bytes(photo)
        shared_file_server.files[f"/{n}.png"] = Served(photo)
        lines += [f"{n}.png", f"s3://{bucket}/{n}.png", f"{shared_file_server.url}/{n}.png"]
    lines.append(f"{shared_file_server.url}/gone.png")
    entries = [{"image": image, "id": f"image {number}"} for number, image in enumerate(lines)]
    (tmp_path / "list.jsonl").write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))

    made = samfleet("datasets", "create", "--manifest", tmp_path / "list.jsonl", "--name", "mixed")
    assert made.exit_code == 0, made.stderr
    dataset = made.json()
    assert (dataset["state"], dataset["source"], dataset["image_count"]) == ("sealed", "manifest", 3 * EACH + 1)
    with SamfleetClient(samfleet.info.api_url, samfleet.info.api_key) as client:
        job = client.submit_job(dataset["id"], [FIXED], {"kind": "everything", "points_per_side": 1})
        until(lambda: client.job(job.id).is_over)
        assert client.job(job.id).state == "completed_with_errors"
        assert [(error.file_name, error.code) for error in client.job_errors(job.id)] == [
            (f"{shared_file_server.url.removeprefix('http://')}/gone.png", "image_missing")
        ]
    assert samfleet.recorded(job.id) == (3 * EACH + 1, 3 * EACH + 1, 3 * EACH)
    out = tmp_path / "out"
    followed = samfleet("jobs", "follow", job.id, "--out", out, "--json")
    results = json.loads((out / f"{FIXED}.coco.json").read_text())
    assert len(results) == FIXED_MASKS * 3 * EACH, followed.stderr
    assert {result["image_id"] for result in results} == set(range(1, 3 * EACH + 1))
