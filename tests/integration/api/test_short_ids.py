from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fixtures.api.running_api import Api, Tenant
from fixtures.worker.recorded_jobs import carry_out, new_job
from samfleet.client.transport import ApiError
from samfleet.db.models import Dataset, DatasetSource, DatasetState
from samfleet.db.session import transaction
from samfleet_cli.main import app


def code_of(tenant: Tenant, path: str) -> tuple[int, str]:
    answer = tenant.http.get(path)
    return answer.status_code, answer.json().get("code", "")


def test_ids_in_urls_may_be_shortened(api: Api, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder)
    carry_out(api, job)
    run = job["runs"][0]["id"]
    for length in (6, 8, 13, 36):
        assert tenant.http.get(f"/v1/jobs/{job['id'][:length]}").json()["id"] == job["id"]
        assert tenant.http.get(f"/v1/runs/{run[:length].upper()}").json()["id"] == run
        assert tenant.http.get(f"/v1/datasets/{job['dataset_id'][:length]}").json()["id"] == job["dataset_id"]
    assert tenant.http.get(f"/v1/runs/{run[:8]}/images/1").json()["run_id"] == run
    assert tenant.http.get(f"/v1/jobs/{job['id'][:8]}/errors").json()["items"] == []
    short, whole = (
        tenant.http.get("/v1/reports/latency", params={"job": one}).json()["rows"] for one in (job["id"][:8], job["id"])
    )
    assert short == whole != []


def test_unknown_and_ambiguous_prefixes_are_refused(api: Api, tenant: Tenant) -> None:
    begin = uuid.uuid4().hex[:8]
    with transaction(api.engine) as session:
        for end in ("0", "f"):
            found = {"name": "d", "source": DatasetSource.UPLOAD, "state": DatasetState.OPEN, "image_count": 0}
            session.add(Dataset(id=uuid.UUID(begin.ljust(32, end)), tenant_id=tenant.id, **found))
    assert code_of(tenant, f"/v1/datasets/{begin}") == (422, "id_ambiguous")
    assert code_of(tenant, f"/v1/datasets/{begin}-0") == (200, "")
    assert code_of(tenant, f"/v1/datasets/{begin[:5]}") == (422, "payload_invalid")
    assert code_of(tenant, f"/v1/datasets/{begin}-0000-0000-0000-000000000000-0") == (422, "payload_invalid")
    for path, code in (("jobs", "job_not_found"), ("runs", "run_not_found")):
        assert code_of(tenant, f"/v1/{path}/{begin}") == (404, code)
    assert code_of(tenant, f"/v1/reports/latency?job={begin}") == (404, "job_not_found")


def test_short_ids_of_another_tenant_are_unknown_like_full_ones(
    tenant: Tenant, other_tenant: Tenant, folder: Path
) -> None:
    job = new_job(tenant, folder)
    assert code_of(other_tenant, f"/v1/jobs/{job['id'][:8]}") == (404, "job_not_found")
    assert code_of(other_tenant, f"/v1/datasets/{job['dataset_id'][:8]}") == (404, "dataset_not_found")


def test_the_command_line_accepts_short_ids(api: Api, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder, name="mine")
    address = ["--api-url", api.url, "--api-key", tenant.key]
    short = job["id"][:6]
    shown = CliRunner().invoke(app, ["jobs", "show", short, "--json", *address])
    assert json.loads(shown.stdout)["name"] == "mine"
    deleted = CliRunner().invoke(app, ["jobs", "delete", short, "--cancel", "--yes", *address])
    assert deleted.stdout == f"job {job['id']} is deleted\n"
    error = CliRunner().invoke(app, ["jobs", "show", "nothex", *address]).exception
    assert isinstance(error, ApiError)
    assert "first 6 characters" in error.message
    with pytest.raises(ApiError, match="no id starts"):
        raise CliRunner().invoke(app, ["datasets", "delete", "abcdef0", "--yes", *address]).exception or ValueError
