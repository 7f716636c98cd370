"""Quotas of tenants, as a client meets them."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import update

from fixtures.api.running_api import Api, Tenant
from fixtures.worker.recorded_jobs import new_job
from samfleet.db.models import Tenant as TenantRow
from samfleet.db.session import transaction


def test_a_job_beyond_the_quota_is_refused_until_one_has_ended(api: Api, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder)
    with transaction(api.engine) as session:
        session.execute(update(TenantRow).where(TenantRow.id == tenant.id).values(max_open_jobs=2))
    body = {"rerun_of": job["id"]}
    second = tenant.http.post("/v1/jobs", json=body, headers={"Idempotency-Key": "k"})
    assert second.status_code == 202
    refused = tenant.http.post("/v1/jobs", json=body)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_open_jobs")
    assert refused.json()["detail"] == ("open jobs of your tenant: 2, allowed: 2; wait until one ends, or cancel one")
    assert refused.headers["Retry-After"] == "30"
    repeated = tenant.http.post("/v1/jobs", json=body, headers={"Idempotency-Key": "k"})
    assert (repeated.status_code, repeated.json()["id"]) == (200, second.json()["id"])
    assert tenant.http.post(f"/v1/jobs/{job['id']}/cancel").status_code == 200
    assert tenant.http.post("/v1/jobs", json=body).status_code == 202


def test_the_quota_of_a_tenant_leaves_others_alone(
    api: Api, tenant: Tenant, other_tenant: Tenant, folder: Path
) -> None:
    mine = new_job(tenant, folder)
    with transaction(api.engine) as session:
        session.execute(update(TenantRow).where(TenantRow.id == tenant.id).values(max_open_jobs=1))
    assert tenant.http.post("/v1/jobs", json={"rerun_of": mine["id"]}).status_code == 429
    theirs = new_job(other_tenant, folder)
    assert other_tenant.http.post("/v1/jobs", json={"rerun_of": theirs["id"]}).status_code == 202
