"""Time from a folder or a manifest to a planned job over HTTP."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

POLL_SECONDS = 0.25
SHOWN = 20  # states of the listing that go into the result
VARIANT = "mobile_sam"


@dataclass(frozen=True, slots=True)
class Accepted:
    dataset_id: uuid.UUID
    job_id: uuid.UUID
    run_id: uuid.UUID
    figures: dict[str, Any]


def accept(
    client: httpx.Client, source: Mapping[str, Any], on_progress: Callable[[int], None] = lambda _entries: None
) -> Accepted:
    """Create a dataset of the source and a job of it; wait until it is planned.

    `on_progress` gets the entries listed so far, each time that the API is asked.
    """
    start = time.perf_counter()
    answer = client.post("/v1/datasets", json=dict(source))
    posted = time.perf_counter() - start
    dataset = _checked(answer)
    dataset, seen = _listed(client, dataset, start, on_progress)
    listed = time.perf_counter() - start
    begun = time.perf_counter()
    answer = client.post(
        "/v1/jobs", json={"dataset_id": dataset["id"], "variants": [VARIANT], "task": {"kind": "everything"}}
    )
    submitted = time.perf_counter() - begun
    job = _planned(client, _checked(answer))
    figures = {
        "images": dataset["image_count"],
        "dataset_post_ms": round(1e3 * posted, 1),
        "dataset_status": 202 if seen else 201,
        "job_post_ms": round(1e3 * submitted, 1),
        "listed_seconds": round(listed, 1),
        "planned_seconds": round(time.perf_counter() - begun, 1),
        "accepted_and_planned_seconds": round(time.perf_counter() - start, 1),
        "progress": _some(seen),
    }
    return Accepted(uuid.UUID(dataset["id"]), uuid.UUID(job["id"]), uuid.UUID(job["runs"][0]["id"]), figures)


def _listed(
    client: httpx.Client, dataset: dict[str, Any], start: float, on_progress: Callable[[int], None]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Wait until the dataset is sealed; return it and each progress that was visible meanwhile."""
    seen: list[dict[str, Any]] = []
    while dataset["state"] == "listing":
        now = {"entries": dataset["listed"], "images": dataset["image_count"]}
        if not seen or now != {name: seen[-1][name] for name in now}:
            seen.append({"seconds": round(time.perf_counter() - start, 1), **now})
        on_progress(now["entries"])
        time.sleep(POLL_SECONDS)
        dataset = _checked(client.get(f"/v1/datasets/{dataset['id']}"))
    if dataset["state"] != "sealed":
        raise SystemExit(f"the dataset ended as {dataset['state']}: {dataset['error']}")
    return dataset, seen


def _planned(client: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    while job["state"] == "queued":
        time.sleep(POLL_SECONDS)
        job = _checked(client.get(f"/v1/jobs/{job['id']}"))
    if job["state"] != "running":
        raise SystemExit(f"the job ended as {job['state']}: {job['error']}")
    return job


def _some(seen: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return seen[:: max(1, len(seen) // SHOWN)]


def _checked(answer: httpx.Response) -> dict[str, Any]:
    found: dict[str, Any] = answer.raise_for_status().json()
    return found
