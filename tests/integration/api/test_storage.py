"""Storage use over HTTP and by the command line."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from PIL import Image
from typer.testing import CliRunner

from fixtures.api.running_api import Api, Tenant, new_tenant
from fixtures.worker.recorded_jobs import carry_out, new_job
from samfleet_cli.commands.storage import in_units
from samfleet_cli.main import app


def read(tenant: Tenant, path: str = "/v1/storage") -> dict[str, Any]:
    answer = tenant.http.get(path)
    assert answer.status_code == 200, answer.text
    use: dict[str, Any] = answer.json()
    return use


def output(api: Api, tenant: Tenant, *words: str) -> str:
    result = CliRunner().invoke(app, ["storage", *words, "--api-url", api.url, "--api-key", tenant.key])
    assert result.exception is None, result.output
    return result.stdout


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (32, 24)).save(file, "png")
    return file.getvalue()


def test_a_tenant_reads_its_use_and_that_of_a_job(api: Api, tenant: Tenant, folder: Path) -> None:
    assert read(tenant)["total"] == {"bytes": 0, "objects": 0, "rows": 0}
    dataset = tenant.http.post("/v1/datasets", json={"source": "upload", "name": "shelves"}).json()["id"]
    tenant.http.post(f"/v1/datasets/{dataset}/images", files={"files": ("a.png", picture())}).raise_for_status()
    job = new_job(tenant, folder, name="mine")
    carry_out(api, job)
    run = job["runs"][0]["id"]
    for _ in range(2):  # the second time from the store
        tenant.http.get(f"/v1/runs/{run}/images/1/overlay.png", params={"max_side": 320}).raise_for_status()
    use = read(tenant)
    assert use["uploads"] == {"bytes": len(picture()), "objects": 1, "rows": 1 + 3}  # a folder has rows, not objects
    parts = [found.size for found in api.store.list(f"runs/{run}/parts/")]
    assert use["results"] == {"bytes": sum(parts), "objects": len(parts), "rows": 3}
    (kept,) = api.store.list(f"runs/{run}/pictures/")
    assert use["pictures"] == {"bytes": kept.size, "objects": 1, "rows": 0}
    for figure in ("bytes", "objects", "rows"):
        assert use["total"][figure] == sum(use[kind][figure] for kind in ("uploads", "results", "pictures"))
    assert use["largest"][0]["bytes"] == max(sum(parts), len(picture()))
    of_job = read(tenant, f"/v1/jobs/{job['id'][:8]}/storage")
    assert (of_job["results"], of_job["pictures"]) == (use["results"], use["pictures"])
    assert of_job["total"]["objects"] == len(parts) + 1


def test_only_admins_read_the_use_of_all_tenants(api: Api, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder)
    carry_out(api, job)
    answer = tenant.http.get("/v1/storage/tenants")
    assert (answer.status_code, answer.json()["code"]) == (403, "admin_required")
    with new_tenant(api, admin=True) as admin:
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = admin.http.get("/v1/storage/tenants", params={"limit": 3, **cursor}).json()
            found += page["items"]
            if page["next"] is None:
                break
            cursor = {"cursor": page["next"]}
        assert [one["tenant"] for one in found] == sorted(one["tenant"] for one in found)
        mine = read(tenant)
        (same,) = [one for one in found if one["tenant"] == mine["tenant"]]
        assert same == {name: value for name, value in mine.items() if name != "largest"}
        assert read(admin)["total"]["objects"] == 0
        assert mine["tenant"] in output(api, admin, "--all-tenants", "--plain")


def test_nobody_reads_the_use_of_a_foreign_job(tenant: Tenant, other_tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder)
    assert other_tenant.http.get(f"/v1/jobs/{job['id']}/storage").json()["code"] == "job_not_found"


def test_the_command_prints_units_for_people_and_bytes_for_programs(api: Api, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder, name="mine")
    carry_out(api, job)
    use = read(tenant)
    assert json.loads(output(api, tenant, "--json")) == use
    lines = [line.split("\t") for line in output(api, tenant, "--plain").splitlines()]
    total = use["total"]
    assert ["total", str(total["bytes"]), str(total["objects"]), str(total["rows"])] in lines
    assert in_units(use["results"]["bytes"]) in output(api, tenant)
    assert f"job {job['id']} mine" in output(api, tenant, "--plain")
    assert output(api, tenant, job["id"][:8], "--plain").splitlines()[-1].startswith("total\t")
    both = CliRunner().invoke(app, ["storage", job["id"], "--all-tenants"])
    assert (both.exit_code, "not both" in both.stderr) == (2, True)


def test_sizes_are_in_the_largest_unit() -> None:
    assert [in_units(size) for size in (0, 1023, 1024, 1536, 5 * 2**30, 2**50)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "1.5 KiB",
        "5.0 GiB",
        "1024.0 TiB",
    ]
