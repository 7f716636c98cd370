from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from fixtures.api.running_api import Api, Tenant
from fixtures.worker.recorded_jobs import new_job
from samfleet.client.transport import ApiError
from samfleet_cli.main import app


def run(api: Api, tenant: Tenant, *words: str) -> Result:
    result = CliRunner().invoke(app, [*words, "--api-url", api.url, "--api-key", tenant.key])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def reply(api: Api, tenant: Tenant, *words: str) -> Any:
    return json.loads(run(api, tenant, *words).stdout)


def names(api: Api, tenant: Tenant, kind: str, *options: str) -> list[str]:
    return [item["name"] for item in reply(api, tenant, kind, "list", "--json", *options)]


def test_a_job_is_edited_found_and_run_again(api: Api, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder, name="first", labels={"team": "a", "draft": ""})
    new_job(tenant, folder, name="other", labels={"team": "b"})
    words = ("--name", "second", "--label", "round=2", "--remove-label", "draft", "--notes", "for week 48")
    edited = reply(api, tenant, "jobs", "edit", job["id"][:8], *words, "--json")
    assert (edited["name"], edited["labels"], edited["notes"]) == ("second", {"team": "a", "round": "2"}, "for week 48")
    assert names(api, tenant, "jobs", "--label", "team=a", "--label", "round=2") == ["second"]
    assert names(api, tenant, "jobs", "--search", "WEEK") == ["second"]
    shown = run(api, tenant, "jobs", "show", job["id"]).stdout
    assert "name: second\nlabels: round=2, team=a\nnotes: for week 48\n" in shown
    again = reply(api, tenant, "jobs", "rerun", job["id"], "--label", "round=3", "--keep-days", "7", "--json")
    assert (again["name"], again["labels"], again["notes"]) == ("second", {"round": "3"}, "for week 48")
    assert tenant.http.get(f"/v1/jobs/{again['id']}").json()["keep_days"] == 7
    kept = reply(api, tenant, "jobs", "edit", again["id"], "--keep-days", "3", "--json")
    assert kept["keep_days"] == 3
    assert "kept after its end: 3 days" in run(api, tenant, "jobs", "show", again["id"]).stdout
    bare = reply(api, tenant, "jobs", "rerun", job["id"], "--no-labels", "--name", "", "--notes", "", "--json")
    assert (bare["name"], bare["labels"], bare["notes"]) == (None, {}, None)
    assert run(api, tenant, "jobs", "rerun", job["id"], "--no-labels", "--label", "a=b").exit_code == 2
    cleared = reply(api, tenant, "jobs", "edit", job["id"], "--name", "", "--notes", "", "--json")
    assert (cleared["name"], cleared["notes"]) == (None, None)


def test_a_dataset_is_edited_and_found(api: Api, tenant: Tenant) -> None:
    dataset = tenant.http.post("/v1/datasets", json={"source": "upload", "name": "first"}).json()
    edited = reply(api, tenant, "datasets", "edit", dataset["id"], "--name", "second", "--label", "team=a")
    assert (edited["name"], edited["labels"]) == ("second", {"team": "a"})
    assert names(api, tenant, "datasets", "--label", "team=a", "--search", "sec") == ["second"]
    assert "no dataset matches" in run(api, tenant, "datasets", "list", "--label", "team=b").stderr
    with pytest.raises(ApiError, match="name"):
        run(api, tenant, "datasets", "edit", dataset["id"], "--name", "")


@pytest.mark.parametrize(
    ("options", "message"),
    [((), "give at least one of"), (("--label", "team"), "write KEY=VALUE"), (("--label", "a b=1"), "valid key")],
)
def test_wrong_usage_is_explained(api: Api, tenant: Tenant, options: tuple[str, ...], message: str) -> None:
    result = run(api, tenant, "jobs", "edit", "12345678", *options)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())
