"""Runs the benchmark and prints or writes its result; `benchmarks.scale` describes it."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Engine, func, select

from benchmarks.environment import circumstances
from benchmarks.scale.accept import Accepted, accept
from benchmarks.scale.folder import write_folder
from benchmarks.scale.killing import KillOnce
from benchmarks.scale.manifest import FORMS, write_manifest
from benchmarks.scale.masks import MASKS_PER_IMAGE, download, record_masks
from benchmarks.scale.memory import PeakMemory
from benchmarks.scale.requests import time_requests
from benchmarks.scale.rows import analyze, write_dataset, write_job
from benchmarks.scale.stack import stack_without_workers
from samfleet.config import Settings
from samfleet.db.models import DatasetImage, Job
from samfleet.db.session import connect, transaction
from samfleet.storage.factory import open_store
from samfleet_cli.local_stack.state import StackInfo


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--masks", type=int, default=1_000_000, help="to record and download, at most ten an image")
    parser.add_argument("--rows", type=int, default=0, help="time requests on so many results too; ten million: 9 GB")
    parser.add_argument("--manifest", choices=FORMS, help="make the dataset of a manifest in this format")
    parser.add_argument("--kill", action="store_true", help="kill the control worker once while it lists")
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
        if options.manifest:
            write_manifest(folder / f"list.{options.manifest}", options.manifest, options.images)
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
            kill = KillOnce(info.state_dir) if options.kill else None
            accepted = accept(client, _source(options, folder), kill or (lambda _entries: None))
        if kill:
            accepted.figures["killed_at_entries"] = kill.entries
        print(json.dumps(accepted.figures), flush=True)
        _require_each_once(engine, accepted.dataset_id, options.images)
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


def _source(options: argparse.Namespace, folder: Path) -> dict[str, str]:
    if options.manifest:
        return {"source": "manifest", "manifest": str(folder / f"list.{options.manifest}")}
    return {"source": "directory", "directory": str(folder / "images")}


def _require_each_once(engine: Engine, dataset_id: uuid.UUID, images: int) -> None:
    """Exit unless the dataset has each image once."""
    name = DatasetImage.file_name
    query = select(func.count(), func.count(name.distinct())).where(DatasetImage.dataset_id == dataset_id)
    with transaction(engine) as session:
        found = tuple(session.execute(query).one())
    if found != (images, images):
        raise SystemExit(f"the dataset has {found[0]} rows with {found[1]} names instead of {images}")


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
