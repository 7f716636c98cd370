from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fixtures.api.running_api import Api, Tenant
from fixtures.worker.recorded_jobs import carry_out, failed, new_job, plan, segmented
from samfleet.client.transport import ApiError
from samfleet.db.session import transaction
from samfleet.jobs.dispatch import dispatch_run
from samfleet.jobs.outcomes import ImageOutcome, ShardImage
from samfleet_cli.main import app


def run(api: Api, tenant: Tenant, *words: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["jobs", *words, "--json", "--api-url", api.url, "--api-key", tenant.key])
    if result.exception is not None:
        raise result.exception
    job: dict[str, Any] = json.loads(result.stdout)
    return job


def first_fails(image: ShardImage) -> ImageOutcome:
    return failed(image) if image.image_id == 1 else segmented(image)


def test_a_job_is_paused_resumed_retried_and_run_again(api: Api, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder, name="shelves")
    plan(api, job)
    assert run(api, tenant, "edit", job["id"], "--priority", "7")["priority"] == 7
    assert run(api, tenant, "pause", job["id"][:8])["state"] == "paused"
    assert run(api, tenant, "resume", job["id"])["state"] == "running"
    with transaction(api.engine) as session:  # the task that the resumption sent
        dispatch_run(session, api.queue, uuid.UUID(job["runs"][0]["id"]), 100)
    carry_out(api, job, first_fails)
    assert run(api, tenant, "show", job["id"])["state"] == "completed_with_errors"
    assert run(api, tenant, "retry", job["id"])["state"] == "running"
    with pytest.raises(ApiError, match="is running; only an ended job with failures"):
        run(api, tenant, "retry", job["id"])
    again = run(api, tenant, "rerun", job["id"], "--variants", "repvit_sam, mobile_sam", "--name", "again")
    assert (again["parent_id"], again["name"], again["priority"]) == (job["id"], "again", 7)
    assert sorted(one["variant"] for one in again["runs"]) == ["mobile_sam", "repvit_sam"]
    finer = run(
        api, tenant, "rerun", again["id"], "--task", '{"kind": "everything", "points_per_side": 4}', "--priority", "0"
    )
    assert (finer["task"]["points_per_side"], finer["name"], finer["priority"]) == (4, "again", 0)


def test_a_task_that_is_not_json_is_refused(api: Api, tenant: Tenant) -> None:
    words = ["jobs", "rerun", "12345678", "--task", "{", "--api-url", api.url, "--api-key", tenant.key]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert "not JSON" in result.stderr
