"""Segment the images of a folder through the REST API, and write the masks and the images' ids next to each other.

    export SAMFLEET_API_URL=http://127.0.0.1:8000        # `samfleet status` shows it
    export SAMFLEET_API_KEY=$(cat .samfleet/api_key)
    python examples/segment_folder.py ~/photos --out out

It needs httpx and pycocotools and nothing of samfleet, so it runs on any machine that reaches the API. The steps: make
a dataset, upload, seal, submit a job, wait, download. `samfleet segment` does the same with retries and progress.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
from pycocotools import mask as rle
from pycocotools.coco import COCO

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}
BATCH = 32  # files in one upload
POLL_SECONDS = 1.0


def call(api: httpx.Client, method: str, path: str, **request: Any) -> Any:
    """Return the decoded body. Exit with the server's explanation when it refuses."""
    response = api.request(method, path, **request)
    if response.is_error:
        problem = response.json() if "json" in response.headers.get("Content-Type", "") else {}
        sys.exit(f"{method} {path}: {response.status_code} {problem.get('code', '')}: {problem.get('detail', '')}")
    return response.json()


def batches(files: list[Path]) -> Iterator[list[Path]]:
    for start in range(0, len(files), BATCH):
        yield files[start : start + BATCH]


def make_dataset(api: httpx.Client, folder: Path) -> str:
    """Upload the images of the folder and of folders below it. Return the id of the sealed dataset."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not files:
        sys.exit(f"{folder} has no images")
    dataset = call(api, "POST", "/v1/datasets", json={"source": "upload", "name": folder.resolve().name})
    images = f"/v1/datasets/{dataset['id']}/images"
    for batch in batches(files):
        with ExitStack() as opened:
            parts = [
                ("files", (path.relative_to(folder).as_posix(), opened.enter_context(path.open("rb"))))
                for path in batch
            ]
            call(api, "POST", images, files=parts)
    return str(call(api, "POST", f"/v1/datasets/{dataset['id']}/seal")["id"])


def submit(api: httpx.Client, dataset_id: str, variant: str, points_per_side: int) -> str:
    """Return the id of the job. The key makes the request safe to repeat after a lost connection."""
    body = {
        "dataset_id": dataset_id,
        "variants": [variant],
        "task": {"kind": "everything", "points_per_side": points_per_side},
    }
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    return str(call(api, "POST", "/v1/jobs", json=body, headers=headers)["id"])


def wait(api: httpx.Client, job_id: str) -> Any:
    """Return the job once it has ended."""
    while True:
        job = call(api, "GET", f"/v1/jobs/{job_id}")
        counts = job["counts"]
        print(f"{job['state']}: {counts['succeeded']} of {counts['total']} images, {counts['failed']} failed")
        if job["state"] in {"completed", "completed_with_errors", "failed", "cancelled"}:
            return job
        if job.get("stalled"):
            print(f"  waiting: {job['stalled']['message']}")
        time.sleep(POLL_SECONDS)


def download(api: httpx.Client, run_id: str, path: Path) -> None:
    """Write the run's masks as one COCO file."""
    with api.stream("GET", f"/v1/runs/{run_id}/results", params={"format": "instances"}) as response:
        response.raise_for_status()
        with path.open("wb") as file:
            for piece in response.iter_bytes():
                file.write(piece)


def print_masks(path: Path) -> None:
    """Decode the masks of each image to arrays of shape (height, width, masks), dtype uint8, values 0 and 1."""
    coco = COCO(str(path))
    for image in coco.loadImgs(coco.getImgIds()):
        found = coco.loadAnns(coco.getAnnIds(imgIds=image["id"]))
        if not found:
            print(f"{image['file_name']}: no masks")
            continue
        masks = rle.decode([mask["segmentation"] for mask in found])
        covered = masks.any(axis=2).mean()
        height, width, count = masks.shape
        print(f"{image['file_name']}: {count} masks of {width} x {height}, {covered:.0%} covered")


def main() -> int:
    parser = argparse.ArgumentParser(description="Segment the images of a folder through the REST API.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("out"))
    parser.add_argument("--variant", default="mobile_sam")
    parser.add_argument("--points-per-side", type=int, default=16)
    parser.add_argument("--api-url", default=os.environ.get("SAMFLEET_API_URL", "http://127.0.0.1:8000"))
    options = parser.parse_args()
    key = os.environ.get("SAMFLEET_API_KEY") or sys.exit("set SAMFLEET_API_KEY")
    options.out.mkdir(parents=True, exist_ok=True)
    with httpx.Client(base_url=options.api_url, headers={"Authorization": f"Bearer {key}"}, timeout=300) as api:
        dataset_id = make_dataset(api, options.folder)
        job = wait(api, submit(api, dataset_id, options.variant, options.points_per_side))
        if job["state"] not in {"completed", "completed_with_errors"}:
            sys.exit(f"job {job['id']} is {job['state']}: {job.get('error')}")
        path = options.out / f"{options.variant}.instances.json"
        download(api, job["runs"][0]["id"], path)
    print_masks(path)
    print(f"masks: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
