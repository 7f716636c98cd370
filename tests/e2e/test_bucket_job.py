"""A bucket of 5,000 images as one job, whose worker is killed in the middle: each image exactly once."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from PIL import Image

from fixtures.images.encoded_images import encoded
from fixtures.servers.running_stack import FIXED, FIXED_MASKS, Samfleet, running_stack
from fixtures.servers.s3_server import Buckets
from fixtures.waiting import until
from samfleet.client.client import SamfleetClient
from samfleet.variants.user_records import read_variants
from samfleet.variants.weights.pull import pull

IMAGES = 5000

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(900)]


def test_a_bucket_is_segmented_whole_although_its_worker_is_killed(buckets: Buckets, tmp_path: Path) -> None:
    photo, out = encoded(Image.new("RGB", (40, 30), (200, 10, 0))), tmp_path / "out"
    bucket = buckets.make({f"shelf/{n % 50:02}/{n:05}.png": photo for n in range(IMAGES)})
    with (
        running_stack(tmp_path / "state", **_settings(buckets, bucket, tmp_path)) as samfleet,
        samfleet.started(
            "segment", f"s3://{bucket}/shelf", "--variant", FIXED, "--points-per-side", 1, "--out", out, "--json"
        ) as process,
    ):
        assert process.stderr is not None
        job_id = next(line.split()[1] for line in process.stderr if line.startswith("job "))
        until(lambda: _done(samfleet, job_id) > 0)
        os.kill(samfleet.pid_of("worker"), signal.SIGKILL)
        assert _done(samfleet, job_id) < IMAGES
        _stdout, rest = process.communicate(timeout=600)
        assert process.returncode == 0, rest
        assert samfleet.recorded(job_id) == (IMAGES, IMAGES, IMAGES)
        assert samfleet.claimed_again(job_id) >= 1
    results = json.loads((out / f"{FIXED}.coco.json").read_text())
    assert len(results) == FIXED_MASKS * IMAGES
    assert len({result["image_id"] for result in results}) == IMAGES


def _settings(buckets: Buckets, bucket: str, tmp_path: Path) -> dict[str, str]:
    own, weights = tmp_path / "own", tmp_path / "weights"
    own.mkdir()
    (own / f"{FIXED}.yaml").write_text(f"fixed: {{masks: {FIXED_MASKS}}}\n")
    for record in read_variants(own):
        pull(record, weights)
    return {
        "SAMFLEET_S3_SOURCES": json.dumps({"main": buckets.profile(bucket).model_dump(exclude_none=True)}),
        "SAMFLEET_VARIANTS": FIXED,
        "SAMFLEET_VARIANTS_DIR": str(own),
        "SAMFLEET_WEIGHTS_DIR": str(weights),
        "SAMFLEET_SHARD_SIZE": "64",
    }


def _done(samfleet: Samfleet, job_id: str) -> int:
    with SamfleetClient(samfleet.info.api_url, samfleet.info.api_key) as client:
        return client.job(job_id).counts.succeeded
