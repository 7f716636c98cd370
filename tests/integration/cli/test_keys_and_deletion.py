from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fixtures.api.running_api import Api, Tenant, new_tenant
from fixtures.worker.recorded_jobs import carry_out, new_job
from samfleet.client.transport import ApiError
from samfleet_cli.main import app


@pytest.fixture
def admin(api: Api) -> Iterator[Tenant]:
    with new_tenant(api, admin=True) as tenant:
        yield tenant


def run(api: Api, key: str, *words: str, answer: str | None = None) -> str:
    result = CliRunner().invoke(
        app, [*words, "--api-url", api.url, "--api-key", key], input=answer, env={"COLUMNS": "200"}
    )
    if result.exception is not None:
        raise result.exception
    return result.stdout


def test_keys_and_tenants_are_managed(api: Api, admin: Tenant) -> None:
    name = f"tenant-{uuid.uuid4().hex}"
    assert name in run(api, admin.key, "tenants", "create", name)
    assert name in [one["name"] for one in json.loads(run(api, admin.key, "tenants", "list", "--json"))]
    secret = run(api, admin.key, "keys", "create", "laptop", "--tenant", name).strip()
    assert json.loads(run(api, secret, "jobs", "list", "--json")) == []
    (listed,) = json.loads(run(api, admin.key, "keys", "list", "--tenant", name, "--json"))
    assert listed["id"] in run(api, admin.key, "keys", "list", "--tenant", name)
    with pytest.raises(ApiError) as refused:
        run(api, secret, "keys", "list")
    assert refused.value.problem_code == "admin_required"
    reader = run(api, admin.key, "keys", "create", "r", "--tenant", name, "--scope", "read", "--expires", "2099-01-01")
    with pytest.raises(ApiError) as refused:
        run(api, reader.strip(), "webhooks", "create", "https://example.com/")
    assert refused.value.problem_code == "scope_required"
    run(api, admin.key, "tenants", "disable", name)
    with pytest.raises(ApiError) as refused:
        run(api, secret, "jobs", "list")
    assert refused.value.problem_code == "tenant_disabled"
    run(api, admin.key, "tenants", "enable", name)
    assert json.loads(run(api, admin.key, "tenants", "set", name, "--weight", "2.5", "--json"))["weight"] == 2.5
    assert "weight: 2.5" in run(api, admin.key, "tenants", "show", name)
    actions = [one["action"] for one in json.loads(run(api, admin.key, "audit", "--tenant", name, "--json"))]
    assert actions == [
        "tenant.changed",
        "tenant.enabled",
        "tenant.disabled",
        "key.created",
        "key.created",
        "tenant.created",
    ]
    assert run(api, admin.key, "audit", "--tenant", name, "--action", "key.created", "--plain").count(name) == 2
    run(api, admin.key, "keys", "revoke", listed["id"])
    with pytest.raises(ApiError) as refused:
        run(api, secret, "jobs", "list")
    assert refused.value.problem_code == "unauthorized"


def test_limits_of_a_tenant_are_set_and_reset(api: Api, admin: Tenant) -> None:
    name = f"tenant-{uuid.uuid4().hex}"
    run(api, admin.key, "tenants", "create", name)
    run(api, admin.key, "tenants", "set", name, "--weight", "2.5")
    for given, most in (("20", 20), ("default", None)):
        printed = run(api, admin.key, "tenants", "set", name, "--max-open-jobs", given, "--json")
        assert (json.loads(printed)["max_open_jobs"], json.loads(printed)["weight"]) == (most, 2.5)
    printed = run(api, admin.key, "tenants", "set", name, "--requests-per-minute", "600", "--json")
    assert (json.loads(printed)["requests_per_minute"], json.loads(printed)["max_open_jobs"]) == (600, None)
    for wrong in ("0", "-1", "many", ""):
        with pytest.raises(SystemExit):
            run(api, admin.key, "tenants", "set", name, f"--max-open-jobs={wrong}")
    with pytest.raises(SystemExit):
        run(api, admin.key, "tenants", "set", name)


def test_jobs_and_datasets_are_deleted_after_confirmation(api: Api, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder)
    carry_out(api, job)
    with pytest.raises(SystemExit):
        run(api, tenant.key, "jobs", "delete", job["id"], answer="n\n")
    run(api, tenant.key, "jobs", "delete", job["id"], answer="y\n")
    assert job["dataset_id"] in run(api, tenant.key, "datasets", "list", "--json")
    run(api, tenant.key, "datasets", "delete", job["dataset_id"], "--yes")
    assert json.loads(run(api, tenant.key, "datasets", "list", "--json")) == []
