"""Runs the benchmark and prints or writes its result; `benchmarks.pipeline` describes it."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.environment import circumstances
from benchmarks.pipeline.bare import images_per_second
from benchmarks.pipeline.parts import Usage
from benchmarks.pipeline.pictures import write_pictures
from samfleet.variants.catalogue import add_variants_of, get_variant
from samfleet.variants.weights.pull import pull
from samfleet_cli.client.client import SamfleetClient
from samfleet_cli.client.schemas import Job
from samfleet_cli.jobs.dataset import Source, create_dataset
from samfleet_cli.jobs.wait import follow_job
from samfleet_cli.local_stack.stack import start_stack, stop_stack
from samfleet_cli.local_stack.state import StackInfo

OUR_VARIANTS = Path(__file__).parents[2] / "examples/variants"
AT_A_TIME = (1, 2, 4, 8, 16, 32, 64)
BARE_IMAGES = 2000
OUTSIDE = ("api", "control", "worker", "beat", "postgres", "redis")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pipeline", description=__doc__)
    parser.add_argument("--variant", default="null", help="its weights must be in SAMFLEET_WEIGHTS_DIR, but for null")
    parser.add_argument("--images", type=int, nargs="+", default=[2000, 20_000], help="one job for each number")
    parser.add_argument("--size", type=int, nargs=2, default=[160, 120], metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--points-per-side", type=int, default=16)
    parser.add_argument("--note", default="", help="other work on the machine, for the result")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    result = {"circumstances": circumstances(options.note), **measure(options)}
    text = json.dumps(result, indent=2)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="samfleet-pipeline-") as name:
        folder = Path(name)
        count = max(*options.images, BARE_IMAGES)
        files = write_pictures(folder / "pictures", count, tuple(options.size))
        with _stack(folder, options.variant) as info, SamfleetClient(info.api_url, info.api_key) as client:
            task = {"kind": "everything", "points_per_side": options.points_per_side}
            _run(client, folder, options.variant, task, 200)  # loads the variant
            jobs = [_job(client, info, folder, options.variant, task, images) for images in options.images]
            (address,) = next(iter(info.pools.values()))
            everything = get_variant(options.variant).everything
            rates = {
                at_a_time: round(
                    images_per_second(address, options.variant, files[:BARE_IMAGES], everything, at_a_time), 1
                )
                for at_a_time in AT_A_TIME
            }
    best = max(rates.values())
    shares = {job["images"]: round(job["images_per_second"] / best, 3) for job in jobs}
    return {"variant": options.variant, "jobs": jobs, "bare": rates, "share_of_bare": shares}


@contextmanager
def _stack(folder: Path, variant: str) -> Iterator[StackInfo]:
    add_variants_of(OUR_VARIANTS)
    weights = Path(os.environ.get("SAMFLEET_WEIGHTS_DIR") or folder / "weights").absolute()
    pull(get_variant(variant), weights)
    os.environ |= {
        "SAMFLEET_VARIANTS": variant,
        "SAMFLEET_VARIANTS_DIR": str(OUR_VARIANTS),
        "SAMFLEET_WEIGHTS_DIR": str(weights),
    }
    state_dir = folder / "state"
    try:
        yield start_stack(state_dir)
    finally:
        stop_stack(state_dir)


def _job(
    client: SamfleetClient, info: StackInfo, folder: Path, variant: str, task: dict[str, Any], images: int
) -> dict[str, Any]:
    before = Usage.read(info.state_dir)
    job = _run(client, folder, variant, task, images)
    after = Usage.read(info.state_dir)
    seconds = _seconds(job)
    cpu = after.per_image_ms(before, images)
    return {
        "images": images,
        "state": job.state,
        "seconds": round(seconds, 2),
        "images_per_second": round(images / seconds, 1),
        "cpu_ms_per_image": cpu,
        "cpu_ms_per_image_outside_triton": round(sum(cpu.get(name, 0.0) for name in OUTSIDE), 3),
        "mib": {name: round(mib) for name, mib in after.mib.items()},
    }


def _run(client: SamfleetClient, folder: Path, variant: str, task: dict[str, Any], images: int) -> Job:
    source = Source(folder / "pictures", limit=images)
    dataset = create_dataset(client, source)
    job = follow_job(client, client.submit_job(dataset.id, [variant], task).id, lambda _job: None)
    if job.state != "completed" or job.counts.succeeded != images:
        raise SystemExit(f"the job of {images} images ended as {job.state}: {job.counts}")
    return job


def _seconds(job: Job) -> float:
    """Return the time from the first shard to the end of the last run, by the database's clock."""
    if job.started_at is None or job.finished_at is None:
        raise SystemExit(f"job {job.id} has no times")
    times: list[datetime] = [job.started_at, job.finished_at]
    return (times[1] - times[0]).total_seconds()


if __name__ == "__main__":
    main()
