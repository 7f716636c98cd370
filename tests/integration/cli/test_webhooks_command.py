from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from fixtures.api.running_api import Api, Tenant
from fixtures.servers.receiver import Receiver
from fixtures.worker.webhook_rows import run_pass
from samfleet_cli.main import app


def run(api: Api, tenant: Tenant, *words: str) -> str:
    options = ["--api-url", api.url, "--api-key", tenant.key]
    result = CliRunner().invoke(app, ["webhooks", *words, *options], env={"COLUMNS": "200"})
    if result.exception is not None:
        raise result.exception
    return result.stdout


def test_webhooks_are_managed(api: Api, tenant: Tenant, receiver: Receiver) -> None:
    created = json.loads(run(api, tenant, "create", receiver.url, "--event", "job.completed", "--json"))
    short = created["id"][:8]
    assert run(api, tenant, "list", "--plain").split("\t")[:3] == [created["id"], receiver.url, "job.completed"]
    changed = json.loads(run(api, tenant, "update", short, "--event", "job.failed", "--event", "run.failed"))
    assert (changed["events"], changed["enabled"]) == (["job.failed", "run.failed"], True)
    rotated = run(api, tenant, "rotate", short).strip()
    assert rotated.startswith("whsec_")
    assert rotated != created["secret"]
    assert "msg_" in run(api, tenant, "test", short)
    run_pass(api.engine)
    assert "delivered" in run(api, tenant, "deliveries", short)
    (delivery,) = json.loads(run(api, tenant, "deliveries", short, "--json"))
    assert "1 message " in run(api, tenant, "replay", short, "--delivery", delivery["id"])
    assert "1 message " in run(api, tenant, "replay", short, "--since", "2020-01-01")
    assert "0 messages " in run(api, tenant, "replay", short, "--since", "2020-01-01", "--failed-only")
    run_pass(api.engine)
    assert receiver.ids() == [delivery["message_id"]] * 2
    run(api, tenant, "delete", short, "--yes")
    assert json.loads(run(api, tenant, "list", "--json")) == []


def test_a_replay_names_a_delivery_or_a_time(api: Api, tenant: Tenant) -> None:
    with pytest.raises(SystemExit):
        run(api, tenant, "replay", "0123abcd")
