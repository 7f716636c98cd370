"""Webhooks over the API: registration, secrets, the log, tests and replays."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, update
from standardwebhooks import Webhook

from fixtures.api.running_api import Api, Tenant
from fixtures.servers.receiver import Receiver, reply
from fixtures.worker.webhook_rows import run_pass
from samfleet.db.models import WebhookDelivery, WebhookEndpoint
from samfleet.db.session import read_only, transaction
from samfleet.jobs.event_types import EVENT_TYPES
from samfleet_api.webhooks.service import MOST_WEBHOOKS

URL = "https://example.com/samfleet"


@pytest.fixture(autouse=True)
def _no_other_webhooks(api: Api) -> Iterator[None]:
    """Delete the webhooks of this test: other tests run passes over the same database."""
    yield
    with transaction(api.engine) as session:
        session.execute(delete(WebhookEndpoint))


def create(tenant: Tenant, url: str = URL, **fields: object) -> dict[str, Any]:
    answer = tenant.http.post("/v1/webhooks", json={"url": url, **fields})
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


def path(webhook: dict[str, Any], *more: str) -> str:
    return "/".join((f"/v1/webhooks/{webhook['id']}", *more))


def test_a_webhook_is_created_read_changed_and_deleted(tenant: Tenant) -> None:
    created = create(tenant, events=["run.completed", "job.failed"], description="mine")
    secret = created.pop("secret")
    assert secret.startswith("whsec_")
    assert created["events"] == ["job.failed", "run.completed"]
    assert tenant.http.get(path(created)).json() == created
    assert tenant.http.get(f"/v1/webhooks/{created['id'][:8]}").json() == created
    changed = tenant.http.patch(path(created), json={"enabled": False, "description": None, "events": []}).json()
    assert changed == {**created, "enabled": False, "description": None, "events": []}
    assert tenant.http.get("/v1/webhooks").json()["items"] == [changed]
    assert tenant.http.delete(path(created)).status_code == 204
    missing = tenant.http.get(path(created))
    assert (missing.status_code, missing.json()["code"]) == (404, "webhook_not_found")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"url": "https://10.0.0.1/"}, "address_forbidden"),
        ({"url": "https://[::1]/"}, "address_forbidden"),
        ({"url": "ftp://example.com/"}, "url_invalid"),
        ({"url": "https://user:word@example.com/"}, "url_invalid"),
        ({"url": URL, "events": ["job.exploded"]}, "payload_invalid"),
        ({"url": URL, "events": ["job.planned"]}, "payload_invalid"),
        ({"url": URL, "secret": "mine"}, "payload_invalid"),
        ({"url": None}, "payload_invalid"),
    ],
)
def test_a_wrong_webhook_is_refused(tenant: Tenant, body: dict[str, Any], code: str) -> None:
    assert tenant.http.post("/v1/webhooks", json=body).json()["code"] == code
    created = create(tenant)
    assert tenant.http.patch(path(created), json=body).json()["code"] == code
    assert tenant.http.get(path(created)).json()["url"] == URL


def test_a_tenant_has_a_limited_number_of_webhooks(tenant: Tenant, other_tenant: Tenant) -> None:
    for _ in range(MOST_WEBHOOKS):
        create(tenant)
    refused = tenant.http.post("/v1/webhooks", json={"url": URL})
    assert (refused.status_code, refused.json()["code"]) == (409, "webhook_limit_reached")
    create(other_tenant)


def test_another_tenant_finds_nothing(tenant: Tenant, other_tenant: Tenant) -> None:
    created = create(tenant)
    calls = [
        ("GET", path(created), None),
        ("PATCH", path(created), {"enabled": False}),
        ("DELETE", path(created), None),
        ("POST", path(created, "secret"), None),
        ("POST", path(created, "test"), None),
        ("POST", path(created, "replay"), {"since": "2026-01-01T00:00:00Z"}),
        ("GET", path(created, "deliveries"), None),
        ("GET", path(created, "deliveries", str(uuid.uuid4())), None),
        ("POST", path(created, "deliveries", str(uuid.uuid4()), "replay"), None),
    ]
    for method, route, body in calls:
        answer = other_tenant.http.request(method, route, json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "webhook_not_found"), route
    assert other_tenant.http.get("/v1/webhooks").json()["items"] == []
    assert tenant.http.get(path(created)).json()["enabled"]


def test_a_test_message_is_delivered_logged_and_replayed(api: Api, tenant: Tenant, receiver: Receiver) -> None:
    created = create(tenant, receiver.url, events=["job.failed"])
    sent = tenant.http.post(path(created, "test"))
    assert (sent.status_code, sent.json()["type"], sent.json()["state"]) == (202, "webhook.test", "pending")
    receiver.behave(reply(200, b"thanks"), reply(500, b"oops"), reply())
    run_pass(api.engine)
    (got,) = receiver.requests
    assert Webhook(created["secret"]).verify(got.body, got.headers)["data"]["webhook_id"] == created["id"]
    (listed,) = tenant.http.get(path(created, "deliveries")).json()["items"]
    assert (listed["state"], listed["attempts"], listed["due_at"]) == ("delivered", 1, None)
    assert (listed["last_attempt"]["status"], listed["last_attempt"]["reply"]) == (200, "thanks")
    again = tenant.http.post(path(created, "deliveries", listed["id"], "replay"))
    assert (again.status_code, again.json()["state"]) == (202, "pending")
    run_pass(api.engine)
    whole = tenant.http.get(path(created, "deliveries", listed["id"])).json()
    assert [one["status"] for one in whole["attempt_log"]] == [200, 500]
    assert whole["last_attempt"]["error_code"] == "status"
    assert whole["body"].encode() == got.body
    assert len(set(receiver.ids())) == 1


def test_messages_since_a_time_are_sent_again(api: Api, tenant: Tenant, receiver: Receiver) -> None:
    created = create(tenant, receiver.url)
    for _ in range(3):
        tenant.http.post(path(created, "test"))
        run_pass(api.engine)
    ids = [one["id"] for one in tenant.http.get(path(created, "deliveries")).json()["items"]]
    with transaction(api.engine) as session:
        old = update(WebhookDelivery).where(WebhookDelivery.id == uuid.UUID(ids[-1]))
        session.execute(old.values(created_at=datetime.now(UTC) - timedelta(days=2)))
    since = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    failed = tenant.http.post(path(created, "replay"), json={"since": since, "failed_only": True})
    assert (failed.status_code, failed.json()) == (202, {"replayed": 0})
    assert tenant.http.post(path(created, "replay"), json={"since": since}).json() == {"replayed": 2}
    run_pass(api.engine)
    assert len(receiver.requests) == 5
    assert len(set(receiver.ids())) == 3


def test_a_disabled_webhook_sends_nothing_and_is_enabled_without_a_wait(
    api: Api, tenant: Tenant, receiver: Receiver
) -> None:
    created = create(tenant, receiver.url)
    receiver.behave(reply(410), reply())
    tenant.http.post(path(created, "test"))
    run_pass(api.engine)
    disabled = tenant.http.get(path(created)).json()
    assert (disabled["enabled"], disabled["disabled_reason"]) == (False, "gone")
    delivery = tenant.http.get(path(created, "deliveries")).json()["items"][0]
    for route, body in (
        (path(created, "test"), None),
        (path(created, "replay"), {"since": "2026-01-01T00:00:00Z"}),
        (path(created, "deliveries", delivery["id"], "replay"), None),
    ):
        assert tenant.http.post(route, json=body).json()["code"] == "webhook_disabled"
    enabled = tenant.http.patch(path(created), json={"enabled": True}).json()
    assert (enabled["disabled_reason"], enabled["failing_since"]) == (None, None)
    tenant.http.post(path(created, "deliveries", delivery["id"], "replay"))
    assert run_pass(api.engine) == 1


def test_a_rotated_secret_is_new_and_the_old_one_lasts_a_day(api: Api, tenant: Tenant) -> None:
    created = create(tenant)
    rotated = tenant.http.post(path(created, "secret"))
    assert rotated.status_code == 201
    until = datetime.fromisoformat(rotated.json()["previous_secret_until"])
    assert timedelta(hours=23) < until - datetime.now(UTC) <= timedelta(days=1)
    with read_only(api.engine) as session:
        row = session.get_one(WebhookEndpoint, uuid.UUID(created["id"]))
    assert (row.secret, row.previous_secret) == (rotated.json()["secret"], created["secret"])
    assert "secret" not in tenant.http.get(path(created)).json()


def test_an_unknown_delivery_is_not_found(tenant: Tenant) -> None:
    created = create(tenant)
    for method, more in (("GET", ()), ("POST", ("replay",))):
        answer = tenant.http.request(method, path(created, "deliveries", str(uuid.uuid4()), *more))
        assert (answer.status_code, answer.json()["code"]) == (404, "delivery_not_found")


def test_lists_come_in_pages(tenant: Tenant) -> None:
    webhooks = [create(tenant)["id"] for _ in range(2)]
    first = tenant.http.get("/v1/webhooks", params={"limit": 1}).json()
    second = tenant.http.get("/v1/webhooks", params={"limit": 1, "cursor": first["next"]}).json()
    assert [first["items"][0]["id"], second["items"][0]["id"]] == webhooks[::-1]
    sent = [tenant.http.post(f"/v1/webhooks/{webhooks[0]}/test").json()["id"] for _ in range(2)]
    route = f"/v1/webhooks/{webhooks[0]}/deliveries"
    first = tenant.http.get(route, params={"limit": 1}).json()
    second = tenant.http.get(route, params={"limit": 1, "cursor": first["next"]}).json()
    assert [first["items"][0]["id"], second["items"][0]["id"], second["next"]] == [*sent[::-1], None]


def test_the_schema_lists_the_types_of_events(api: Api) -> None:
    field = api.app.openapi()["components"]["schemas"]["CreateWebhook"]["properties"]["events"]
    assert field["items"]["enum"] == list(EVENT_TYPES)
