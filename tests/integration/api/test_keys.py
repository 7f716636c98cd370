"""Management of keys and tenants by admins."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import select, update

from fixtures.api.no_tls import NO_TLS
from fixtures.api.running_api import Api, Tenant, new_tenant
from samfleet.db.audit import Actor
from samfleet.db.keys import hash_key
from samfleet.db.models import ApiKey, BrowserSession, Scope
from samfleet.db.models import Tenant as TenantRow
from samfleet.db.session import read_only, transaction

ACTOR = Actor("test")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def admin(api: Api) -> Iterator[Tenant]:
    with new_tenant(api, admin=True) as tenant:
        yield tenant


def create_key(admin: Tenant, **fields: object) -> dict[str, str]:
    answer = admin.http.post("/v1/keys", json={"name": "laptop", **fields})
    assert answer.status_code == 201, answer.text
    created: dict[str, str] = answer.json()
    return created


def with_key(api: Api, key: str) -> httpx.Client:
    return httpx.Client(base_url=api.url, headers={"Authorization": f"Bearer {key}"}, verify=NO_TLS)


def status(api: Api, key: str) -> int:
    with with_key(api, key) as http:
        return http.get("/v1/jobs").status_code


@pytest.mark.parametrize("scope", Scope)
def test_a_key_can_read_itself(api: Api, admin: Tenant, scope: Scope) -> None:
    created = create_key(admin, scope=scope)
    with with_key(api, created["key"]) as http:
        read = http.get("/v1/current-key")
    assert read.status_code == 200
    assert (read.json()["id"], read.json()["scope"]) == (created["id"], scope)
    assert read.json()["tenant"] == created["tenant"]
    assert "key" not in read.json()


def test_an_admin_creates_a_tenant_and_a_key_and_revokes_it(api: Api, admin: Tenant) -> None:
    name = f"tenant-{uuid.uuid4().hex}"
    assert admin.http.post("/v1/tenants", json={"name": name}).status_code == 201
    taken = admin.http.post("/v1/tenants", json={"name": name})
    assert (taken.status_code, taken.json()["code"]) == (409, "tenant_name_taken")
    key = create_key(admin, tenant=name)
    assert status(api, key["key"]) == 200
    (listed,) = admin.http.get("/v1/keys", params={"tenant": name}).json()["items"]
    assert "key" not in listed
    assert (listed["name"], listed["scope"], listed["revoked_at"]) == ("laptop", "submit", None)
    assert listed["last_used_at"] is not None
    for _ in range(2):
        assert admin.http.delete(f"/v1/keys/{key['id']}").status_code == 204
    assert status(api, key["key"]) == 401
    assert admin.http.get("/v1/keys", params={"tenant": name}).json()["items"][0]["revoked_at"] is not None


def test_the_weight_of_a_tenant_is_changed_and_audited(admin: Tenant) -> None:
    name = f"tenant-{uuid.uuid4().hex}"
    assert admin.http.post("/v1/tenants", json={"name": name}).json()["weight"] == 1.0
    for _ in range(2):
        assert admin.http.patch(f"/v1/tenants/{name}", json={"weight": 4}).json()["weight"] == 4.0
    assert admin.http.get(f"/v1/tenants/{name}").json()["weight"] == 4.0
    (entry,) = admin.http.get("/v1/audit", params={"tenant": name, "action": "tenant.changed"}).json()["items"]
    assert entry["detail"] == {"weight": 4.0}
    for wrong in (0, -1, 101, "2", None):
        answer = admin.http.patch(f"/v1/tenants/{name}", json={"weight": wrong})
        assert (answer.status_code, answer.json()["code"]) == (422, "payload_invalid")
    assert admin.http.patch(f"/v1/tenants/{name}", json={}).json()["weight"] == 4.0
    missing = admin.http.patch("/v1/tenants/nobody", json={"weight": 2})
    assert (missing.status_code, missing.json()["code"]) == (404, "tenant_not_found")


@pytest.mark.parametrize("field", ["max_open_jobs", "max_open_images", "requests_per_minute"])
def test_the_limits_of_a_tenant_are_changed_and_audited(admin: Tenant, field: str) -> None:
    name = f"tenant-{uuid.uuid4().hex}"
    path = f"/v1/tenants/{name}"
    assert admin.http.post("/v1/tenants", json={"name": name}).json()[field] is None
    for most in (5, 5, 2**31 - 1, None):
        assert admin.http.patch(path, json={field: most}).json()[field] == most
    assert admin.http.patch(path, json={"weight": 2}).json()[field] is None
    assert admin.http.patch(path, json={field: 7, "weight": 3}).status_code == 200
    assert admin.http.patch(path, json={}).json()[field] == 7
    entries = admin.http.get("/v1/audit", params={"tenant": name, "action": "tenant.changed"}).json()["items"]
    audited = [entry["detail"].get(field, "same") for entry in reversed(entries)]
    assert audited == [5, 2**31 - 1, None, "same", 7]
    for wrong in (0, -1, 2**31, 1.5, "5", True):
        answer = admin.http.patch(path, json={field: wrong})
        assert (answer.status_code, answer.json()["code"]) == (422, "payload_invalid")


def test_an_expired_key_is_refused_with_its_browser_sessions(api: Api, admin: Tenant) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    key = create_key(admin, expires_at=later.isoformat())
    assert datetime.fromisoformat(key["expires_at"]) == later
    assert status(api, key["key"]) == 200
    with httpx.Client(base_url=api.url, verify=NO_TLS) as browser:
        assert browser.post("/dashboard/session", json={"key": key["key"]}).status_code == 204
        with transaction(api.engine) as session:
            session.get_one(ApiKey, uuid.UUID(key["id"])).expires_at = datetime.now(UTC)
        assert status(api, key["key"]) == 401
        assert browser.get("/v1/jobs").status_code == 401
        assert browser.post("/dashboard/session", json={"key": key["key"]}).status_code == 401


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"expires_at": "2020-01-01T00:00:00Z"}, "key_expiry_passed"),
        ({"expires_at": "tomorrow"}, "payload_invalid"),
        ({"expires_at": 4102444800}, "payload_invalid"),
        ({"scope": "root"}, "payload_invalid"),
        ({"admin": True}, "payload_invalid"),
    ],
)
def test_a_wrong_key_is_not_created(admin: Tenant, fields: dict[str, object], code: str) -> None:
    answer = admin.http.post("/v1/keys", json={"name": "laptop", **fields})
    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_a_disabled_tenant_is_refused_until_it_is_enabled(api: Api, admin: Tenant) -> None:
    name = f"tenant-{uuid.uuid4().hex}"
    admin.http.post("/v1/tenants", json={"name": name})
    key = create_key(admin, tenant=name)["key"]
    with httpx.Client(base_url=api.url, verify=NO_TLS) as browser:
        assert browser.post("/dashboard/session", json={"key": key}).status_code == 204
        for _ in range(2):
            disabled = admin.http.post(f"/v1/tenants/{name}/disable")
            assert (disabled.status_code, disabled.json()["disabled_at"] is not None) == (200, True)
        with with_key(api, key) as http:
            answer = http.get("/v1/jobs")
        assert (answer.status_code, answer.json()["code"]) == (403, "tenant_disabled")
        assert browser.get("/v1/jobs").json()["code"] == "tenant_disabled"
        assert browser.post("/dashboard/session", json={"key": key}).status_code == 401
    assert admin.http.post(f"/v1/tenants/{name}/enable").json()["disabled_at"] is None
    assert status(api, key) == 200


def test_a_tenant_without_which_no_admin_remains_is_not_disabled(api: Api, admin: Tenant) -> None:
    with read_only(api.engine) as session:
        own = session.get_one(TenantRow, admin.id).name
    refused = admin.http.post(f"/v1/tenants/{own}/disable")
    assert (refused.status_code, refused.json()["code"]) == (409, "tenant_of_admins")
    for action in ("disable", "enable"):
        unknown = admin.http.post(f"/v1/tenants/nobody/{action}")
        assert (unknown.status_code, unknown.json()["code"]) == (404, "tenant_not_found")


def test_only_the_hash_of_a_key_is_stored(api: Api, admin: Tenant) -> None:
    key = create_key(admin)
    with read_only(api.engine) as session:
        row = session.get_one(ApiKey, uuid.UUID(key["id"]))
        stored = {column.name: getattr(row, column.name) for column in ApiKey.__table__.columns}
    assert stored["key_sha256"] == hash_key(key["key"])
    assert key["key"] not in map(str, stored.values())


def test_keys_without_admin_rights_manage_nothing(api: Api, tenant: Tenant) -> None:
    for method, path in (("GET", "/v1/keys"), ("GET", "/v1/tenants"), ("DELETE", f"/v1/keys/{uuid.uuid4()}")):
        answer = tenant.http.request(method, path)
        assert (answer.status_code, answer.json()["code"]) == (403, "admin_required")
    for path, body in (("/v1/keys", {"name": "x"}), ("/v1/tenants", {"name": "x"})):
        answer = tenant.http.post(path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "admin_required")
    with httpx.Client(base_url=api.url, verify=NO_TLS) as nobody:
        for path in ("/v1/keys", "/v1/tenants"):
            assert nobody.get(path).status_code == 401
            assert nobody.post(path, json={"name": "x"}).status_code == 401
        assert nobody.delete(f"/v1/keys/{uuid.uuid4()}").status_code == 401


def test_unknown_keys_and_tenants_are_not_found(admin: Tenant) -> None:
    wrong = [
        (admin.http.delete(f"/v1/keys/{uuid.uuid4()}"), "key_not_found"),
        (admin.http.post("/v1/keys", json={"name": "x", "tenant": "nobody"}), "tenant_not_found"),
        (admin.http.get("/v1/keys", params={"tenant": "nobody"}), "tenant_not_found"),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer, _ in wrong] == [(404, code) for _, code in wrong]


@pytest.mark.parametrize("name", ["", "a b", "a\x00", "-a", "a" * 101, "ä"])
def test_an_invalid_tenant_name_is_refused(admin: Tenant, name: str) -> None:
    assert admin.http.post("/v1/tenants", json={"name": name}).status_code == 422


def test_lists_of_keys_and_tenants_come_in_pages(admin: Tenant) -> None:
    for path, create in (("/v1/keys", {"name": "page"}), ("/v1/tenants", {"name": f"page-{uuid.uuid4().hex}"})):
        admin.http.post(path, json=create)
        first = admin.http.get(path, params={"limit": 1}).json()
        second = admin.http.get(path, params={"limit": 1, "cursor": first["next"]}).json()
        assert first["items"][0]["id"] != second["items"][0]["id"]


def test_a_revoked_key_ends_its_browser_sessions(api: Api, admin: Tenant) -> None:
    key = create_key(admin)
    with httpx.Client(base_url=api.url, verify=NO_TLS) as browser:
        assert browser.post("/dashboard/session", json={"key": key["key"]}).status_code == 204
        assert browser.get("/v1/jobs").status_code == 200
        admin.http.delete(f"/v1/keys/{key['id']}")
        assert browser.get("/v1/jobs").status_code == 401
    with read_only(api.engine) as session:
        opened = select(BrowserSession).where(BrowserSession.api_key_id == uuid.UUID(key["id"]))
        assert session.scalars(opened).all() == []


def test_a_browser_of_an_admin_manages_keys_with_its_csrf_token(api: Api, admin: Tenant) -> None:
    with httpx.Client(base_url=api.url, verify=NO_TLS) as browser:
        browser.post("/dashboard/session", json={"key": admin.key})
        token = browser.get("/dashboard/session").json()["csrf_token"]
        assert browser.get("/v1/keys").status_code == 200
        assert browser.post("/v1/keys", json={"name": "x"}).json()["code"] == "csrf_token_invalid"
        created = browser.post("/v1/keys", json={"name": "x"}, headers={"X-CSRF-Token": token})
        assert created.status_code == 201


def test_the_last_use_of_a_key_is_written_at_most_once_a_minute(api: Api, tenant: Tenant) -> None:
    of_tenant = select(ApiKey.last_used_at).where(ApiKey.tenant_id == tenant.id)

    def last_use() -> object:
        with read_only(api.engine) as session:
            return session.scalars(of_tenant).one()

    assert last_use() is None
    tenant.http.get("/v1/jobs")
    first = last_use()
    tenant.http.get("/v1/jobs")
    assert last_use() == first
    with transaction(api.engine) as session:
        session.execute(update(ApiKey).where(ApiKey.tenant_id == tenant.id).values(last_used_at=LONG_AGO))
    tenant.http.get("/v1/jobs")
    assert last_use() != LONG_AGO
