"""A manifest of files, objects and URLs as one job on the real stack: each image exactly once."""

from __future__ import annotations

import fnmatch
import json
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from fixtures.images.encoded_images import encoded
from fixtures.servers.file_server import FileServer, Served
from fixtures.servers.running_stack import FIXED, FIXED_MASKS, READABLE_BUCKET, Samfleet
from fixtures.servers.s3_server import Buckets
from fixtures.waiting import until
from samfleet.client.client import SamfleetClient
from samfleet.client.transport import ApiError

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
        show_images(client, job.id, shared_file_server, photo, tmp_path)
    assert samfleet.recorded(job.id) == (3 * EACH + 1, 3 * EACH + 1, 3 * EACH)
    out = tmp_path / "out"
    followed = samfleet("jobs", "follow", job.id, "--out", out, "--json")
    results = json.loads((out / f"{FIXED}.coco.json").read_text())
    assert len(results) == FIXED_MASKS * 3 * EACH, followed.stderr
    assert {result["image_id"] for result in results} == set(range(1, 3 * EACH + 1))


def show_images(client: SamfleetClient, job_id: str, server: FileServer, photo: bytes, folder: Path) -> None:
    """Export overlays of files, objects and URLs, one of which is gone and one changed, and draw them by the API."""
    (run,) = client.job(job_id).runs
    server.files["/0.png"].status = 404
    server.files["/1.png"].data = encoded(Image.new("RGB", (30, 40)))
    try:
        export = client.create_export(run.id, "overlays", {})
        until(lambda: client.export(export["id"])["state"] in {"completed", "failed"})
        built = client.export(export["id"])
        assert built["state"] == "completed", built["error"]
        client.download_export(built, folder / "overlays.zip")
        with zipfile.ZipFile(folder / "overlays.zip") as archive:
            report = json.loads(archive.read("report.json"))
            assert len(fnmatch.filter(archive.namelist(), "*.jpg")) == report["images"] == 3 * EACH - 2
        host = server.url.removeprefix("http://")
        found = {one["file_name"]: one["code"] for one in report["left_out"]}
        assert found == {f"{host}/0.png": "image_missing", f"{host}/1.png": "source_changed"}
        for number in (1, 2, 9):  # a file, an object and a URL
            client.download_overlay(run.id, number, folder / "overlay.png")
        for number, code in ((3, "image_missing"), (6, "source_changed")):
            with pytest.raises(ApiError) as refused:
                client.download_overlay(run.id, number, folder / "overlay.png")
            assert refused.value.problem_code == code
    finally:
        server.files["/0.png"].status, server.files["/1.png"].data = 200, photo
