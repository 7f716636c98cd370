"""The files of `examples/`, run as they are against a live API; a worker's own functions do the work between them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fixtures.api.running_api import Api, Tenant
from fixtures.worker.recorded_jobs import HEIGHT, WIDTH, carry_out, write_pictures

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
SECONDS = 120


def start(api: Api, tenant: Tenant, *arguments: str | Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "SAMFLEET_API_URL": api.url, "SAMFLEET_API_KEY": tenant.key}
    command = [sys.executable, EXAMPLES / "segment_folder.py", *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def submitted(tenant: Tenant, process: subprocess.Popen[str]) -> dict[str, Any]:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        jobs: list[dict[str, Any]] = tenant.http.get("/v1/jobs").json()["items"]
        if jobs:
            return jobs[0]
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)
    process.kill()
    pytest.fail(f"no job was submitted: {process.communicate()[0]}")


def code_of(notebook: Path) -> str:
    cells = json.loads(notebook.read_text())["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


def test_a_folder_is_segmented_and_its_results_are_read(api: Api, tenant: Tenant, tmp_path: Path) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    (photos / "shelf").mkdir(parents=True)
    write_pictures(photos, 2)
    write_pictures(photos / "shelf", 1)
    process = start(api, tenant, photos, "--out", out)
    carry_out(api, submitted(tenant, process))
    printed = process.communicate(timeout=SECONDS)[0]
    assert process.returncode == 0, printed
    assert "completed: 3 of 3 images, 0 failed" in printed
    assert f"shelf/0.png: 2 masks of {WIDTH} x {HEIGHT}, 18% covered" in printed
    results = out / "mobile_sam.instances.json"
    assert len(json.loads(results.read_text())["annotations"]) == 6

    environment = {**os.environ, "MPLBACKEND": "Agg", "PHOTOS": str(photos), "RESULTS": str(results)}
    command = [sys.executable, "-W", "error", "-c", code_of(EXAMPLES / "read_results.ipynb")]
    read = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=SECONDS)
    assert read.returncode == 0, read.stderr
    assert "3 images, 6 masks" in read.stdout
    assert "2.0 masks per image on average" in read.stdout
    with Image.open(out / "overlay.png") as picture:
        assert picture.size == (1200, 500)


def test_a_refused_request_ends_the_example_with_the_reason(api: Api, tenant: Tenant, tmp_path: Path) -> None:
    write_pictures(tmp_path, 1)
    process = start(api, tenant, tmp_path, "--out", tmp_path / "out", "--variant", "mobile_sum")
    printed = process.communicate(timeout=SECONDS)[0]
    assert process.returncode == 1
    assert "POST /v1/jobs: 422" in printed
    assert "mobile_sum" in printed


def test_the_notebook_is_stored_without_outputs() -> None:
    for cell in json.loads((EXAMPLES / "read_results.ipynb").read_text())["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
