"""Times of the requests of a job's page over HTTP."""

from __future__ import annotations

import statistics
import time
import uuid
from collections.abc import Mapping
from typing import Any

import httpx

from samfleet_api.pagination import encode_cursor

REPEATS = 10
LAST_TENTH = 0.9


def requests_of(job_id: uuid.UUID, run_id: uuid.UUID, images: int) -> Mapping[str, tuple[str, dict[str, Any]]]:
    """Return the path and the parameters of each request; `images` are in the dataset."""
    listed, late = f"/v1/runs/{run_id}/images", encode_cursor(int(LAST_TENTH * images))
    return {
        "job": (f"/v1/jobs/{job_id}", {}),
        "jobs": ("/v1/jobs", {}),
        "throughput": (f"/v1/jobs/{job_id}/throughput", {}),
        "errors": (f"/v1/jobs/{job_id}/errors", {}),
        "errors, grouped": (f"/v1/jobs/{job_id}/errors/groups", {}),
        "images": (listed, {}),
        "images, last tenth": (listed, {"cursor": late}),
        "images, succeeded": (listed, {"outcome": "succeeded"}),
        "images, failed": (listed, {"outcome": "failed"}),
        "images, failed, last tenth": (listed, {"outcome": "failed", "cursor": late}),
        "images, pending": (listed, {"outcome": "pending"}),
        "images, by name": (listed, {"file_name": f"{images // 2:08}"}),
        "run": (f"/v1/runs/{run_id}", {}),
    }


def time_requests(client: httpx.Client, job_id: uuid.UUID, run_id: uuid.UUID, images: int) -> dict[str, Any]:
    """Return the milliseconds of each request after one that is not counted, and the items of its page."""
    found = {}
    for name, (path, parameters) in requests_of(job_id, run_id, images).items():
        times, items = [], None
        for _ in range(REPEATS + 1):
            start = time.perf_counter()
            answer = client.get(path, params=parameters, timeout=600).raise_for_status().json()
            times.append(1e3 * (time.perf_counter() - start))
            items = len(answer["items"]) if "items" in answer else None
        found[name] = {"median_ms": round(statistics.median(times[1:]), 1), "most_ms": round(max(times[1:]), 1)}
        if items is not None:
            found[name]["items"] = items
    return found
