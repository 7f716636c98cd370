"""A second machine joins the pool of a running stack with its own Triton and worker, works, and leaves."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from sqlalchemy import text

from fixtures.images.scenes import write_scenes
from fixtures.servers.running_stack import COMMAND, FIXED, FIXED_MASKS, SETTINGS, Samfleet
from fixtures.waiting import until
from samfleet.client.client import SamfleetClient
from samfleet.db.session import connect, read_only
from samfleet.variants.user_records import read_variants
from samfleet.variants.weights.pull import pull

IMAGES = 24  # in shards of two


def test_a_machine_that_joins_a_pool_takes_its_share(samfleet: Samfleet, tmp_path: Path) -> None:
    environment = machine(samfleet, tmp_path)
    folder = write_scenes(tmp_path / "images", IMAGES)[0].parent
    try:
        joined = command(environment, "worker", "join", "--detach")
        assert joined.returncode == 0, joined.stderr
        assert "this machine works for the pool local" in joined.stdout
        until(lambda: workers(samfleet) == 2)
        status = command(environment, "status").stdout
        assert {line.split()[0] for line in status.splitlines() if " ready " in line} == {"triton", "worker"}
        first = segmented(samfleet, folder, tmp_path / "first")
        assert len(workers_of(samfleet, first)) == 2
    finally:
        assert command(environment, "down").returncode == 0
    assert workers(samfleet) == 1  # its heartbeat is gone with it
    second = segmented(samfleet, folder, tmp_path / "second")
    assert len(workers_of(samfleet, second)) == 1


def test_a_machine_without_the_addresses_of_its_stack_joins_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "SAMFLEET_STATE_DIR": str(tmp_path / "state"), "SAMFLEET_POOL": "local"}
    refused = command(environment, "worker", "join")
    assert refused.returncode != 0
    wanted = "set SAMFLEET_DATABASE_URL, SAMFLEET_BROKER_URL, SAMFLEET_STORAGE_URL to those of the stack"
    assert wanted in " ".join(refused.stderr.split())
    assert "worker_join_incomplete" in refused.stderr
    assert not (tmp_path / "state").exists()


def machine(samfleet: Samfleet, folder: Path) -> dict[str, str]:
    """Return the environment of another machine with the variant `FIXED`."""
    variants, weights = folder / "variants", folder / "weights"
    variants.mkdir()
    (variants / f"{FIXED}.yaml").write_text(f"fixed: {{masks: {FIXED_MASKS}}}\n")
    for record in read_variants(variants):
        pull(record, weights)
    return {
        **os.environ,
        **SETTINGS,
        "SAMFLEET_STATE_DIR": str(folder / "joined"),
        "SAMFLEET_DATABASE_URL": samfleet.info.database_url,
        "SAMFLEET_BROKER_URL": samfleet.info.broker_url,
        "SAMFLEET_STORAGE_URL": samfleet.info.storage_url,
        "SAMFLEET_DATASET_ROOTS": "/",
        "SAMFLEET_POOL": "local",
        "SAMFLEET_VARIANTS": FIXED,
        "SAMFLEET_VARIANTS_DIR": str(variants),
        "SAMFLEET_WEIGHTS_DIR": str(weights),
    }


def command(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *words], env=environment, capture_output=True, text=True, timeout=240, check=False)


def workers(samfleet: Samfleet) -> int:
    with SamfleetClient(samfleet.info.api_url, samfleet.info.api_key) as client:
        (pool,) = client.pools()
    return sum(worker["triton_ready"] for worker in pool["workers"])


def segmented(samfleet: Samfleet, folder: Path, out: Path) -> str:
    done = samfleet("segment", folder, "--variant", FIXED, "--points-per-side", 1, "--out", out, "--json")
    assert done.exit_code == 0, done.stderr
    job_id = next(line.split()[1] for line in done.stderr.splitlines() if line.startswith("job "))
    assert samfleet.recorded(job_id) == (IMAGES, IMAGES, IMAGES)
    return job_id


def workers_of(samfleet: Samfleet, job_id: str) -> set[str]:
    query = text("SELECT DISTINCT worker FROM shards JOIN runs ON runs.id = run_id WHERE job_id = :job_id")
    engine = connect(samfleet.info.database_url)
    try:
        with read_only(engine) as session:
            return set(session.execute(query, {"job_id": job_id}).scalars())
    finally:
        engine.dispose()
