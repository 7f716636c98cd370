"""Requests generated from the OpenAPI document: every response must be declared in it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.api.running_api import Api, Tenant, new_tenant
from fixtures.worker.recorded_jobs import new_job

CASES_PER_OPERATION = 60
LEAST_CASES = 2000  # over the whole document
LEAST_CASES_OF_ADMIN = 200  # over keys and tenants
GENERATED = re.compile(r"^ +([0-9]+) generated", re.MULTILINE)


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_every_response_is_declared_in_the_openapi_document(
    api: Api, tenant: Tenant, folder: Path, tmp_path: Path
) -> None:
    new_job(tenant, folder)
    assert send_requests(api, tenant, tmp_path) >= LEAST_CASES


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_every_response_to_an_admin_is_declared_too(api: Api, tmp_path: Path) -> None:
    with new_tenant(api, admin=True) as admin:
        cases = send_requests(api, admin, tmp_path, "--include-path-regex", "^/v1/(keys|tenants)")
    assert cases >= LEAST_CASES_OF_ADMIN


def send_requests(api: Api, tenant: Tenant, folder: Path, *more: str) -> int:
    """Send generated requests to every operation and return their number; fail if a reply is not declared."""
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{api.url}/openapi.json"),
        *("--header", f"Authorization: Bearer {tenant.key}"),
        *("--max-examples", str(CASES_PER_OPERATION), "--seed", "1", "--phases", "examples,coverage,fuzzing"),
        *("--exclude-checks", "positive_data_acceptance"),  # rules beyond the schema: cursors, ranges, states
        *(
            "--exclude-path-regex",
            "/(events|prompts)$",  # it cannot write JSON lines
            "--request-timeout",
            "30",
            "--generation-database",
            "none",
        ),
        *("--no-color", "--continue-on-failure", *more),
    ]
    with (folder / "output.txt").open("w+") as output:
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False, cwd=folder)
        output.seek(0)
        told = output.read()
    sys.stdout.write(told[-8000:])
    assert done.returncode == 0, told[-8000:]
    (cases,) = GENERATED.findall(told)
    return int(cases)
