"""Runs the benchmark and prints or writes its result; `benchmarks.pipeline` describes it."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Self

from benchmarks.environment import circumstances
from benchmarks.pipeline.bare import images_per_second
from benchmarks.pipeline.parts import Usage
from benchmarks.pipeline.pictures import boxes_of, write_annotations, write_pictures
from samfleet.client.client import SamfleetClient
from samfleet.client.create_dataset import create_dataset
from samfleet.client.local_source import Source
from samfleet.client.schemas import Job
from samfleet.client.wait import follow_job
from samfleet.jobs.task import parse_job_task
from samfleet.variants.catalogue import add_variants_of, get_variant
from samfleet.variants.task import Prompt
from samfleet.variants.weights.pull import pull
from samfleet.wire.messages import SegmentRequest
from samfleet_cli.local_stack.stack import start_stack, stop_stack
from samfleet_cli.local_stack.state import StackInfo

OUR_VARIANTS = Path(__file__).parents[2] / "examples/variants"
AT_A_TIME = (1, 2, 4, 8, 16, 32, 64)  # requests
TOGETHER = (1, 16)  # images in a request
BARE_IMAGES = 2000
OUTSIDE = ("api", "control", "worker", "beat", "postgres", "redis")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pipeline", description=__doc__)
    parser.add_argument("--variant", default="null", help="its weights must be in SAMFLEET_WEIGHTS_DIR, but for null")
    parser.add_argument("--images", type=int, nargs="+", default=[2000, 20_000], help="one job for each number")
    parser.add_argument("--size", type=int, nargs=2, default=[160, 120], metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--points-per-side", type=int, default=16)
    parser.add_argument("--boxes", type=int, default=0, help="prompts of each picture, instead of SegEvery")
    parser.add_argument(
        "--at-a-time", type=int, nargs="+", default=AT_A_TIME, help="requests at Triton in the bare measurements"
    )
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
        work = Work.prepare(folder, options)
        with _stack(folder, options.variant) as info, SamfleetClient(info.api_url, info.api_key) as client:
            _run(client, work, min(200, *options.images))  # loads the variant
            jobs = [_job(client, info, work, images) for images in options.images]
            (address,) = next(iter(info.pools.values()))
            rates = _bare(address, work)
    best = max(rates.values())
    shares = {job["images"]: round(job["images_per_second"] / best, 3) for job in jobs}
    return {
        "variant": options.variant,
        "size": options.size,
        "task": work.task,
        "boxes": options.boxes,
        "jobs": jobs,
        "bare": rates,
        "share_of_bare": shares,
    }


@dataclass(frozen=True, slots=True)
class Work:
    """Pictures and what is asked of each: SegEvery, or `boxes` prompts."""

    folder: Path
    files: Sequence[Path]
    size: tuple[int, int]
    variant: str
    task: dict[str, Any]
    boxes: int
    bare_images: int
    at_a_time: Sequence[int]

    @classmethod
    def prepare(cls, folder: Path, options: argparse.Namespace) -> Self:
        width, height = options.size
        files = write_pictures(folder / "pictures", max(*options.images, BARE_IMAGES), (width, height))
        everything = {"kind": "everything", "points_per_side": options.points_per_side}
        task = {"kind": "prompts", "prompt": "box"} if options.boxes else everything
        bare = min(BARE_IMAGES, *options.images)
        return cls(folder, files, (width, height), options.variant, task, options.boxes, bare, options.at_a_time)

    def source(self, images: int) -> Source:
        if not self.boxes:
            return Source(self.folder / "pictures", limit=images)
        annotations = self.folder / f"boxes-{images}.json"
        write_annotations(annotations, self.files[:images], self.size, self.boxes)
        return Source(self.folder / "pictures", annotations, limit=images)

    def requests(self) -> list[Callable[[], SegmentRequest]]:
        """Return what makes the request of each picture, which reads its file only then."""
        prompts = tuple(Prompt(box=box) for box in boxes_of(self.size, self.boxes))
        parameters = parse_job_task(self.task).parameters(get_variant(self.variant))

        def request(file: Path) -> SegmentRequest:
            return SegmentRequest(file.read_bytes(), parameters, prompts)

        return [partial(request, file) for file in self.files[: self.bare_images]]


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


def _job(client: SamfleetClient, info: StackInfo, work: Work, images: int) -> dict[str, Any]:
    before = Usage.read(info.state_dir)
    job = _run(client, work, images)
    after = Usage.read(info.state_dir)
    seconds = _seconds(job)
    cpu = after.per_image_ms(before, images)
    return {
        "images": images,
        "state": job.state,
        "seconds": round(seconds, 2),
        "images_per_second": _figure(images / seconds),
        "cpu_ms_per_image": cpu,
        "cpu_ms_per_image_outside_triton": round(sum(cpu.get(name, 0.0) for name in OUTSIDE), 3),
        "mib": {name: round(mib) for name, mib in after.mib.items()},
    }


def _bare(address: str, work: Work) -> dict[str, float]:
    """Return images a second by requests at a time and, if it is not 1, images in a request: `8`, `8 x 16`."""
    requests, most = work.requests(), get_variant(work.variant).max_batch_size
    rates: dict[str, float] = {}
    for together in sorted({min(images, most) for images in TOGETHER}):
        for at_a_time in work.at_a_time:
            name = f"{at_a_time} x {together}" if together > 1 else str(at_a_time)
            rates[name] = _figure(images_per_second(address, work.variant, requests, at_a_time, together))
    return rates


def _figure(rate: float) -> float:
    """Return the rate with four digits: variants do from less than one to thousands of images a second."""
    return float(f"{rate:.4g}")


def _run(client: SamfleetClient, work: Work, images: int) -> Job:
    dataset = create_dataset(client, work.source(images))
    job = follow_job(client, client.submit_job(dataset.id, [work.variant], work.task).id, lambda _job: None)
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
