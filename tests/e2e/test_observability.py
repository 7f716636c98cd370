"""Metrics, logs and `/v1/pools` during one job on the whole real stack."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx

from fixtures.images.scenes import write_scenes
from fixtures.servers.running_stack import Samfleet
from fixtures.waiting import until


def samples(url: str) -> dict[str, float]:
    """Return samples by the name that Prometheus stores, summed over labels.

    prometheus-client's own parser renames Triton's metrics.
    """
    found: dict[str, float] = {}
    for name, value in re.findall(r"^(\w+)(?:\{.*\})? (\S+)$", httpx.get(url, timeout=30).text, re.MULTILINE):
        found[name] = found.get(name, 0.0) + float(value)
    return found


def lines(state_dir: Path, part: str, event: str) -> list[dict[str, str]]:
    text = (state_dir / "logs" / f"{part}.log").read_text(errors="replace")
    found = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [line for line in found if line.get("event") == event]


def test_a_job_appears_in_prometheus_and_in_every_log(samfleet: Samfleet, tmp_path: Path) -> None:
    urls = samfleet("status", "--json").json()["metrics"]
    assert set(urls) == {"api", "triton", "control", "worker"}
    assert f"metrics of worker: {urls['worker']}" in samfleet("status").stdout
    before = samples(urls["worker"])
    scenes = write_scenes(tmp_path / "images", 3)
    finished = samfleet(
        *("segment", scenes[0].parent, "--variant", "mobile_sam", "--points-per-side", 4),
        *("--out", tmp_path / "out", "--json"),
    )
    assert finished.exit_code == 0, finished.stderr
    job_id = finished.json()["job_id"]

    worker = samples(urls["worker"])
    name = "samfleet_images_total"
    assert worker[name] - before.get(name, 0) == 3
    assert worker["samfleet_triton_request_duration_seconds_count"] >= 3
    until(lambda: samples(urls["control"])["samfleet_task_duration_seconds_count"] > 0)
    fleet = samples(urls["api"])
    assert fleet["samfleet_dependency_up"] == 2
    assert fleet["samfleet_pool_ready"] == 1
    assert fleet["samfleet_jobs"] >= 1
    assert samples(urls["triton"])["nv_inference_count"] >= 3

    (submitted,) = [line for line in lines(samfleet.info.state_dir, "api", "job.submitted") if line["job_id"] == job_id]
    recorded = [line for line in lines(samfleet.info.state_dir, "worker", "shard.recorded") if line["job_id"] == job_id]
    assert len(recorded) == 2
    assert {line["correlation_id"] for line in recorded} == {submitted["correlation_id"]}


def the_pool(samfleet: Samfleet) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {samfleet.info.api_key}"}
    (pool,) = httpx.get(f"{samfleet.info.api_url}/v1/pools", headers=headers, timeout=30).json()["items"]
    assert isinstance(pool, dict)
    return pool


def test_a_pool_shows_how_busy_its_device_is(samfleet: Samfleet, tmp_path: Path) -> None:
    scenes = write_scenes(tmp_path / "images", 3)
    finished = samfleet(
        *("segment", scenes[0].parent, "--variant", "mobile_sam", "--points-per-side", 4),
        *("--out", tmp_path / "out", "--json"),
    )
    assert finished.exit_code == 0, finished.stderr
    (run,) = finished.json()["runs"]
    device_ms = sum(run["stages"][stage]["mean_ms"] for stage in ("encode", "decode", "postprocess"))
    until(lambda: [device["busy_share"] > 0 for device in the_pool(samfleet)["devices"]] == [True])
    (device,) = the_pool(samfleet)["devices"]
    assert device["busy_share"] >= 0.5 * device_ms / 60_000
    assert (device["id"], device["kind"]) == ("cpu", "cpu")
    assert device["hardware_id"] == run["hardware"][0]["id"]
    assert 0 < device["memory_used_bytes"] < device["memory_total_bytes"]
    assert (device["utilization"], device["power_watts"]) == (None, None)
    assert set(the_pool(samfleet)["queue"].values()) == {0}
