"""Requests generated from the OpenAPI document: every response must be declared in it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from fixtures.api.annotated_run import annotated_job
from fixtures.api.running_api import Api, Tenant, new_tenant
from fixtures.worker.recorded_jobs import new_job

CASES_PER_OPERATION = 60
LEAST_CASES = 2000  # over the whole document
LEAST_CASES_OF_ADMIN = 200  # over keys and tenants
LEAST_CASES_OF_JOB = 1000  # over a job, its runs and their images
LONGEST_LINE = 300
MOST_SHOWN = 16_000  # characters of the output after a failure
GENERATED = re.compile(r"^ +([0-9]+) generated", re.MULTILINE)
# Its default, and 413: an array with too many items may be a body with too many bytes.
REFUSALS = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 428, 429, "5xx"]


@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_every_response_is_declared_in_the_openapi_document(
    api: Api, tenant: Tenant, folder: Path, tmp_path: Path
) -> None:
    new_job(tenant, folder)
    assert send_requests(api, tenant, tmp_path, {}) >= LEAST_CASES


@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_every_response_about_results_is_declared_too(api: Api, tenant: Tenant, folder: Path, tmp_path: Path) -> None:
    """With the ids of rows that exist, requests get beyond 404."""
    job = annotated_job(api, tenant, folder)
    known = {
        "job_id": job["id"],
        "dataset_id": job["dataset_id"],
        "run_id": job["runs"][0]["id"],
        "image_id": 1,
        "name": "mobile_sam",
    }
    ids = {f"path.{name}": value for name, value in known.items()}
    paths = ("--include-path-regex", r"^/v1/(jobs|datasets|runs|variants|job-|comparisons)")
    assert send_requests(api, tenant, tmp_path, ids, *paths, "--exclude-method", "DELETE") >= LEAST_CASES_OF_JOB


@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_every_response_to_an_admin_is_declared_too(api: Api, tmp_path: Path) -> None:
    with new_tenant(api, admin=True) as admin:
        cases = send_requests(api, admin, tmp_path, {}, "--include-path-regex", "^/v1/(keys|tenants)")
    assert cases >= LEAST_CASES_OF_ADMIN


def send_requests(api: Api, tenant: Tenant, folder: Path, parameters: Mapping[str, str | int], *more: str) -> int:
    """Send generated requests to every operation and return their number; fail if a reply is not declared."""
    lines = [
        *("[parameters]", *(f"{json.dumps(name)} = {json.dumps(value)}" for name, value in parameters.items())),
        *("[checks.negative_data_rejection]", f"expected-statuses = {json.dumps(REFUSALS)}"),
        # rules beyond the schema: cursors, ranges, states
        *("[checks.positive_data_acceptance]", "enabled = false"),
    ]
    config = folder / "schemathesis.toml"
    config.write_text("\n".join(lines), encoding="utf-8")
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run", f"{api.url}/openapi.json"),
        *("--header", f"Authorization: Bearer {tenant.key}"),
        *("--max-examples", str(CASES_PER_OPERATION), "--seed", "1", "--phases", "examples,coverage,fuzzing"),
        *("--exclude-path-regex", "/(events|prompts)$"),  # it cannot write JSON lines
        *("--request-timeout", "30", "--generation-database", "none", "--no-color", "--continue-on-failure", *more),
    ]
    with (folder / "output.txt").open("w+") as output:
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False, cwd=folder)
        output.seek(0)
        told = output.read()
    shown = "\n".join(line[:LONGEST_LINE] for line in told.splitlines())  # bodies have lines of megabytes
    assert done.returncode == 0, shown[-MOST_SHOWN:]
    (cases,) = GENERATED.findall(told)
    return int(cases)
