"""The audit trail of changes of keys, tenants and webhooks."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, select

from fixtures.api.running_api import Api, Tenant, new_tenant
from fixtures.servers.receiver import Receiver, reply
from fixtures.worker.webhook_rows import add_endpoint, add_tenant, announce, run_pass
from samfleet.db.keys import new_key
from samfleet.db.migrate import register_bootstrap_key
from samfleet.db.models import AuditEvent
from samfleet.db.session import read_only


@pytest.fixture
def admin(api: Api) -> Iterator[Tenant]:
    with new_tenant(api, admin=True) as tenant:
        yield tenant


@pytest.fixture
def name(admin: Tenant) -> str:
    """Name of a new tenant."""
    name = f"tenant-{uuid.uuid4().hex}"
    assert admin.http.post("/v1/tenants", json={"name": name}).status_code == 201
    return name


def trail(admin: Tenant, **filters: str | int) -> list[dict[str, Any]]:
    """Return entries, oldest first."""
    answer = admin.http.get("/v1/audit", params=filters)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items[::-1]


def test_changes_of_keys_and_tenants_name_their_maker(admin: Tenant, name: str) -> None:
    key = admin.http.post("/v1/keys", json={"name": "laptop", "tenant": name, "scope": "read"}).json()
    for _ in range(2):  # a repeated change is no change
        admin.http.delete(f"/v1/keys/{key['id']}")
        admin.http.post(f"/v1/tenants/{name}/disable")
    admin.http.post(f"/v1/tenants/{name}/enable")
    entries = trail(admin, tenant=name)
    assert [one["action"] for one in entries] == [
        "tenant.created", "key.created", "key.revoked", "tenant.disabled", "tenant.enabled",
    ]  # fmt: skip
    (own,) = {one["actor_key_id"] for one in entries}
    assert own in {one["id"] for one in admin.http.get("/v1/keys", params={"limit": 1000}).json()["items"]}
    assert {one["actor"] for one in entries} == {"registered"}
    assert entries[1]["detail"] == {"name": "laptop", "scope": "read", "expires_at": None}
    assert [one["subject_id"] for one in entries[1:3]] == [key["id"], key["id"]]
    assert key["key"] not in str(entries)


def test_changes_of_webhooks_show_no_secret(api: Api, admin: Tenant, name: str) -> None:
    key = admin.http.post("/v1/keys", json={"name": "pipeline", "tenant": name}).json()["key"]
    headers = {"Authorization": f"Bearer {key}"}
    body = {"url": "https://example.com/token-1", "description": "mine"}
    created = admin.http.post("/v1/webhooks", json=body, headers=headers).json()
    path = f"/v1/webhooks/{created['id']}"
    for changes in ({"enabled": False}, {"enabled": False}, {"url": "https://example.com/token-2"}):
        assert admin.http.patch(path, json=changes, headers=headers).status_code == 200
    rotated = admin.http.post(f"{path}/secret", headers=headers).json()
    assert admin.http.delete(path, headers=headers).status_code == 204
    entries = [one for one in trail(admin, tenant=name) if one["action"].startswith("webhook.")]
    assert [one["action"].removeprefix("webhook.") for one in entries] == [
        "created", "changed", "changed", "secret_rotated", "deleted",
    ]  # fmt: skip
    assert entries[0]["detail"]["host"] == "https://example.com"
    assert entries[1]["detail"] == {"changes": {"enabled": [True, False]}, "new_url": False}
    assert entries[2]["detail"] == {"changes": {}, "new_url": True}
    assert {one["actor"] for one in entries} == {"pipeline"}
    for secret in ("token-1", "token-2", created["secret"], rotated["secret"]):
        assert secret not in str(entries)


def test_a_refused_change_leaves_no_entry(admin: Tenant, name: str) -> None:
    assert admin.http.post("/v1/tenants", json={"name": name}).status_code == 409
    assert admin.http.post("/v1/keys", json={"name": "x", "tenant": name, "scope": "root"}).status_code == 422
    assert [one["action"] for one in trail(admin, tenant=name)] == ["tenant.created"]


def test_entries_are_filtered_and_come_in_pages(admin: Tenant, name: str) -> None:
    for number in range(3):
        admin.http.post("/v1/keys", json={"name": str(number), "tenant": name})
    answer = admin.http.get("/v1/audit", params={"tenant": name, "action": "key.created", "limit": 2}).json()
    assert [one["detail"]["name"] for one in answer["items"]] == ["2", "1"]
    last = admin.http.get(
        "/v1/audit", params={"tenant": name, "action": "key.created", "limit": 2, "cursor": answer["next"]}
    ).json()
    assert ([one["detail"]["name"] for one in last["items"]], last["next"]) == (["0"], None)
    for wrong, code in (({"tenant": "nobody"}, "tenant_not_found"), ({"action": "x"}, "payload_invalid")):
        assert admin.http.get("/v1/audit", params=wrong).json()["code"] == code
    for cursor in ("x", "WyJhIl0", "WzEsMl0"):
        assert admin.http.get("/v1/audit", params={"cursor": cursor}).json()["code"] == "cursor_invalid"


def test_only_admins_read_it(tenant: Tenant) -> None:
    answer = tenant.http.get("/v1/audit")
    assert (answer.status_code, answer.json()["code"]) == (403, "admin_required")


def test_the_server_names_its_parts(database_url: str, engine: Engine, receiver: Receiver) -> None:
    for _ in range(2):
        register_bootstrap_key(database_url, new_key())
    endpoint = add_endpoint(engine, add_tenant(engine), receiver.url)
    receiver.behave(reply(410))
    announce(engine, endpoint.tenant_id)
    run_pass(engine)
    with read_only(engine) as session:
        rows = session.execute(
            select(AuditEvent.actor, AuditEvent.action, AuditEvent.actor_key_id).order_by(AuditEvent.id)
        )
        assert [tuple(row) for row in rows] == [
            ("migration step", "key.created", None),
            ("migration step", "key.created", None),
            ("migration step", "key.revoked", None),
            ("delivery of webhooks", "webhook.disabled", None),
        ]
