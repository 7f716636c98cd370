"""A worker is killed in the middle of a job: the job still ends, with each image exactly once."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from sqlalchemy import text

from fixtures.images.scenes import write_scenes
from fixtures.servers.running_stack import Samfleet, until
from samfleet.db.session import connect, read_only
from samfleet_cli.client.client import SamfleetClient
from samfleet_cli.local_stack.stack import stack_status

IMAGES = 6


def test_a_killed_worker_loses_no_image_and_doubles_none(samfleet: Samfleet, tmp_path: Path) -> None:
    folder = write_scenes(tmp_path / "images", IMAGES)[0].parent
    out = tmp_path / "out"
    with samfleet.started(
        "segment", folder, "--variant", "mobile_sam", "--points-per-side", 1, "--out", out, "--json"
    ) as process:
        assert process.stderr is not None
        job_id = next(line.split()[1] for line in process.stderr if line.startswith("job "))
        until(lambda: _is_in_the_middle(samfleet, job_id))
        killed = _worker(samfleet)
        os.kill(killed, signal.SIGKILL)
        _stdout, rest = process.communicate(timeout=240)
    assert process.returncode == 0, rest
    assert _worker(samfleet) != killed

    query = text(
        "SELECT count(*), count(DISTINCT (r.run_id, r.dataset_image_id)), count(*) FILTER (WHERE outcome = 'succeeded')"
        " FROM image_results r JOIN runs ON runs.id = r.run_id WHERE runs.job_id = :job_id"
    )
    engine = connect(samfleet.info.database_url)
    try:
        with read_only(engine) as session:
            assert session.execute(query, {"job_id": job_id}).one() == (IMAGES, IMAGES, IMAGES)
            retaken = text("SELECT count(*) FROM shards JOIN runs ON runs.id = run_id WHERE job_id = :id AND token > 1")
            assert session.execute(retaken, {"id": job_id}).scalar_one() >= 1
    finally:
        engine.dispose()


def _is_in_the_middle(samfleet: Samfleet, job_id: str) -> bool:
    with SamfleetClient(samfleet.info.api_url, samfleet.info.api_key) as client:
        counts = client.job(job_id).counts
    return 0 < counts.succeeded + counts.in_progress < IMAGES


def _worker(samfleet: Samfleet) -> int:
    parts = {part.name: part for part in stack_status(samfleet.info.state_dir).parts}
    pid = parts["worker"].pid
    assert pid is not None
    return pid
