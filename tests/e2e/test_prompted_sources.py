"""Prompts for images of a bucket, a manifest and an archive, from this machine and from beside the images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fixtures.datasets.labels import HEIGHT, IMAGES, LABELS, WIDTH, packed_labels, write_coco, write_csv, write_yolo
from fixtures.images.archives import zipped
from fixtures.images.encoded_images import encoded, gradient
from fixtures.servers.running_stack import FIXED, READABLE_BUCKET, Samfleet
from fixtures.servers.s3_server import Buckets
from samfleet.client.client import SamfleetClient

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]
Found = dict[str, list[tuple[str, tuple[float, ...]]]]


def found_in(out: Path) -> Found:
    """Return category and box of the prompt of each mask, by image."""
    document = json.loads((out / f"{FIXED}.instances.json").read_text())
    names = {image["id"]: image["file_name"] for image in document["images"]}
    categories = {category["id"]: category["name"] for category in document["categories"]}
    found: Found = {}
    for one in document["annotations"]:
        x, y, width, height = one["prompt_box"]
        found.setdefault(names[one["image_id"]], []).append(
            (categories[one["category_id"]], (x, y, x + width, y + height))
        )
    return found


def test_buckets_manifests_and_archives_take_prompts_of_every_place(
    samfleet: Samfleet, buckets: Buckets, tmp_path: Path
) -> None:
    photo = encoded(gradient(WIDTH, HEIGHT))
    yolo = write_yolo(tmp_path)
    coco, boxes = write_coco(tmp_path), write_csv("x0,y0,x1,y1")(tmp_path)
    in_bucket: dict[str, Any] = {
        **{f"prompted/{name}": photo for name in IMAGES},
        "prompted.zip": zipped(dict.fromkeys(IMAGES, photo)),
        "labels.zip": packed_labels("yolo", yolo).read(),
    }
    bucket = buckets.make(in_bucket, READABLE_BUCKET)
    lines = [{"image": f"s3://{bucket}/prompted/{name}", "file_name": name} for name in IMAGES]
    (tmp_path / "list.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    runs = [
        (f"s3://{bucket}/prompted", yolo, "yolo"),
        (f"s3://{bucket}/prompted", f"s3://{bucket}/labels.zip", "yolo"),
        (f"s3://{bucket}/prompted.zip", boxes, "csv"),  # the version reads the unpacked images of the first one
        (tmp_path / "list.jsonl", coco, "coco"),
    ]
    with SamfleetClient(samfleet.info.api_url, samfleet.info.api_key) as client:
        before = {dataset.id for dataset in client.datasets()}
        for number, (source, prompts, form) in enumerate(runs):
            out = tmp_path / f"out {number}"
            options = ["--variant", FIXED, "--task", "file", "--prompts", prompts, "--prompts-format", form]
            done = samfleet("segment", source, *options, "--out", out)
            assert done.exit_code == 0, done.stderr
            assert found_in(out) == LABELS, (source, form)
        made = [dataset for dataset in client.datasets() if dataset.id not in before]
    assert len(made) == len(runs)
