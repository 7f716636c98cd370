"""The commands of `docs/api.md` run as written; functions of the worker do the work between them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import Any

import pytest

from fixtures.api.running_api import Api, Tenant
from fixtures.worker.recorded_jobs import carry_out, write_pictures
from samfleet.comparisons.build import build_comparison
from samfleet.exports.build import build_export
from samfleet.jobs.queue import TaskName

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "api.md"


def run(commands: str, folder: Path, **variables: str) -> str:
    """Run the commands; variables and functions persist from one block to the next, as in a terminal."""
    keep = "declare -p DATASET JOB RUN EXPORT OTHER_RUN COMPARISON > state 2> /dev/null || true"
    script = f"set -euo pipefail\ntouch state\nsource ./state\n{commands}\n{keep}\n"
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **variables}
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, f"{commands}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("jq")), reason="needs curl and jq")
def test_the_walkthrough_works_as_written(api: Api, tenant: Tenant, folder: Path, tmp_path: Path) -> None:
    blocks = re.findall(r"```bash\n(.*?)```", DOCUMENT.read_text(), flags=re.DOTALL)
    setup, from_directory, by_upload, by_hash, submit, edit, estimate, many, follow, log, history, *others = blocks
    results, export, exported, rerun, compare, compared, reviews, reports, advice, storage, pools = others
    (tmp_path / ".samfleet").mkdir()
    (tmp_path / ".samfleet/api_key").write_text(tenant.key)
    setup = re.sub(r"API=\S+", f"API={api.url}", setup)
    write_pictures(folder, 3)
    for make_dataset in (from_directory, by_upload):
        run(setup + make_dataset + submit, tmp_path, PHOTOS=str(folder))
        job: dict[str, Any] = tenant.http.get("/v1/jobs").json()["items"][0]
        carry_out(api, job)
        assert '"state": "completed"' in run(setup + follow, tmp_path)
        assert "week 48" in run(setup + edit, tmp_path)
        assert '"database_bytes"' in run(setup + estimate, tmp_path)
        assert '"job_finished"' in run(setup + many, tmp_path)
        assert "running → completed" in run(setup + log, tmp_path)
        assert '"to_state": "completed"' in run(setup + history, tmp_path)
        assert '"encode"' in run(setup + results, tmp_path)
        assert '"instances"' in run(setup + export, tmp_path)
        for task in [task for task in api.queue.sent if task.task == TaskName.EXPORT]:
            build_export(api.engine, api.store, uuid.UUID(str(task.args[0])), 1000)
        assert '"outdated": false' in run(setup + exported, tmp_path)
        assert len(json.loads((tmp_path / "export.json").read_text())["images"]) == 3
        run(setup + rerun, tmp_path)
        carry_out(api, tenant.http.get("/v1/jobs").json()["items"][0])
        run(setup + compare, tmp_path)
        for task in [task for task in api.queue.sent if task.task == TaskName.COMPARE]:
            build_comparison(api.engine, api.store, uuid.UUID(str(task.args[0])))
        matched = run(setup + compared, tmp_path)
        assert '"agreement": 1' in matched
        assert '"changed": false' in matched
        reviewed = run(setup + reviews, tmp_path)
        assert '"state": "accepted"' in reviewed
        assert '"category": "shelf"' in reviewed
        assert '"p95_ms"' in run(setup + reports, tmp_path)
        assert "nothing has been measured for the task box yet" in run(setup + advice, tmp_path)
        assert '"pictures"' in run(setup + storage, tmp_path)
        assert '"images_waiting"' in run(setup + pools, tmp_path)
        assert len(json.loads((tmp_path / "masks.json").read_text())) == 6
        assert len((tmp_path / "masks.jsonl").read_text().splitlines()) == 3
        assert (tmp_path / "first.png").read_bytes().startswith(b"\x89PNG")
    known = json.loads(run(setup + by_hash, tmp_path, PHOTOS=str(folder)))
    assert known == {"missing": [], "added": 3}
