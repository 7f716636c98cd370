"""Runs the benchmark and prints or writes its result; `benchmarks.scale` describes it."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Engine

from benchmarks.environment import circumstances
from benchmarks.scale.accept import Accepted, accept
from benchmarks.scale.folder import write_folder
from benchmarks.scale.masks import MASKS_PER_IMAGE, download, record_masks
from benchmarks.scale.memory import PeakMemory
from benchmarks.scale.requests import time_requests
from benchmarks.scale.rows import analyze, write_dataset, write_job
from benchmarks.scale.stack import stack_without_workers
from samfleet.config import Settings
from samfleet.db.models import Job
from samfleet.db.session import connect, transaction
from samfleet.storage.factory import open_store
from samfleet_cli.local_stack.state import StackInfo


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--masks", type=int, default=1_000_000, help="to record and download, at most ten an image")
    parser.add_argument("--rows", type=int, default=0, help="time requests on so many results too; ten million: 9 GB")
    parser.add_argument("--folder", type=Path, help="parent of all files, removed afterwards; else the system's")
    parser.add_argument("--note", default="", help="other work on the machine, for the result")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    result = {"circumstances": circumstances(options.note), **measure(options)}
    result["circumstances"]["load_at_end"] = os.getloadavg()
    text = json.dumps(result, indent=2)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="samfleet-scale-", dir=options.folder) as name:
        folder = Path(name)
        folder.chmod(0o755)  # as root, PostgreSQL runs as another user
        start = time.perf_counter()
        write_folder(folder / "images", options.images)
        print(f"{options.images} files written in {time.perf_counter() - start:.0f} s", flush=True)
        with stack_without_workers(folder / "state") as info:
            return _measure(options, info, folder)


def _measure(options: argparse.Namespace, info: StackInfo, folder: Path) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {info.api_key}"}
    engine = connect(info.database_url)
    with httpx.Client(base_url=info.api_url, headers=headers, timeout=60, trust_env=False) as client:
        with PeakMemory(info.state_dir) as at_rest:
            time.sleep(1)
        with PeakMemory(info.state_dir) as accepting:
            accepted = accept(client, folder / "images")
        print(json.dumps(accepted.figures), flush=True)
        store = open_store(info.storage_url)
        recorded = record_masks(engine, store, accepted.run_id, options.masks // MASKS_PER_IMAGE)
        print(json.dumps(recorded), flush=True)
        analyze(engine)
        with PeakMemory(info.state_dir) as downloading:
            downloaded = download(client, accepted.run_id)
        requested = time_requests(client, accepted.job_id, accepted.run_id, options.images)
        rows = _measure_rows(engine, client, accepted, options.rows) if options.rows else None
    engine.dispose()
    return {
        "accepted": accepted.figures,
        "mib": {"at_rest": at_rest.mib, "accepting": accepting.mib, "downloading": downloading.mib},
        "recorded": recorded,
        "downloaded": downloaded,
        "requests": requested,
        "rows": rows,
    }


def _measure_rows(engine: Engine, client: httpx.Client, accepted: Accepted, rows: int) -> dict[str, Any]:
    """Time the requests on a job with a result for each of `rows` images, and on one that has a tenth of them."""
    with transaction(engine) as session:
        tenant_id = session.get_one(Job, accepted.job_id).tenant_id
    start = time.perf_counter()
    dataset_id = write_dataset(engine, tenant_id, rows)
    shard = Settings().shard_size
    completed = write_job(engine, tenant_id, dataset_id, rows, rows, shard=shard)
    running = write_job(engine, tenant_id, dataset_id, rows, rows // 10, shard=shard)
    analyze(engine)
    seconds = time.perf_counter() - start
    print(f"{rows} rows written in {seconds:.0f} s", flush=True)
    return {
        "rows": rows,
        "seconds": round(seconds, 1),
        "completed": time_requests(client, completed.job_id, completed.run_id, rows),
        "running": time_requests(client, running.job_id, running.run_id, rows),
    }


if __name__ == "__main__":
    main()
