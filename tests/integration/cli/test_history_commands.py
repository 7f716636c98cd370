from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from fixtures.api.running_api import Api, Tenant
from fixtures.worker.recorded_jobs import new_job
from samfleet_cli.main import app


def output(api: Api, tenant: Tenant, *words: str) -> str:
    result = CliRunner().invoke(app, [*words, "--api-url", api.url, "--api-key", tenant.key])
    assert result.exception is None, result.output
    return result.stdout


def test_events_and_deletions_of_a_job_are_listed(api: Api, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder, name="shelves")
    tenant.http.post(f"/v1/jobs/{job['id']}/cancel")
    lines = output(api, tenant, "jobs", "events", job["id"][:8], "--plain").splitlines()
    assert lines[0].split("\t")[1:] == ["", "queued", "cancelled", "registered", "requested"]
    assert lines[1].split("\t")[1] == "mobile_sam on default"
    assert len(lines) == 4
    assert len(json.loads(output(api, tenant, "jobs", "events", job["id"], "--limit", "1", "--json"))) == 1
    tenant.http.delete(f"/v1/jobs/{job['id']}")
    (deletion,) = output(api, tenant, "deletions", "--kind", "job", "--plain").splitlines()
    assert deletion.split("\t")[1:] == ["job", job["id"], "shelves", "registered", "requested"]
    assert json.loads(output(api, tenant, "deletions", "--kind", "dataset", "--json")) == []
