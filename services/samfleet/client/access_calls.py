from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from samfleet.client.calls import Calls
from samfleet.client.values import without_none


class AccessCalls(Calls):
    """Calls of keys, tenants, their storage use and the audit trail."""

    def create_tenant(self, name: str) -> dict[str, Any]:
        answer: dict[str, Any] = self._post("/v1/tenants", {"name": name})
        return answer

    def tenants(self) -> Iterator[dict[str, Any]]:
        return self._items("/v1/tenants")

    def tenant(self, name: str) -> dict[str, Any]:
        answer: dict[str, Any] = self._get(_tenant(name))
        return answer

    def set_tenant(self, name: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Change fields of a tenant, such as its `weight`. A limit that is None becomes the server's default."""
        answer: dict[str, Any] = self._patch(_tenant(name), changes)
        return answer

    def switch_tenant(self, name: str, *, enabled: bool) -> dict[str, Any]:
        """Enable or disable a tenant."""
        path = f"{_tenant(name)}/{'enable' if enabled else 'disable'}"
        answer: dict[str, Any] = self._post(path, None)
        return answer

    def create_key(self, name: str, **fields: Any) -> dict[str, Any]:
        """Create a key. `key` in the result is its secret, which no other response has."""
        answer: dict[str, Any] = self._post("/v1/keys", without_none({"name": name, **fields}))
        return answer

    def keys(self, *, tenant: str | None = None) -> Iterator[dict[str, Any]]:
        return self._items("/v1/keys", without_none({"tenant": tenant}))

    def revoke_key(self, key_id: str) -> None:
        self._delete(f"/v1/keys/{quote(key_id, safe='')}")

    def storage(self) -> dict[str, Any]:
        """Return the storage use of the key's tenant."""
        answer: dict[str, Any] = self._get("/v1/storage")
        return answer

    def job_storage(self, job_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = self._get(f"/v1/jobs/{quote(job_id, safe='')}/storage")
        return answer

    def tenants_storage(self) -> Iterator[dict[str, Any]]:
        """Yield the storage use of all tenants, by name. Needs an admin key."""
        return self._items("/v1/storage/tenants")

    def audit(self, *, tenant: str | None = None, action: str | None = None) -> Iterator[dict[str, Any]]:
        return self._items("/v1/audit", without_none({"tenant": tenant, "action": action}))


def _tenant(name: str) -> str:
    return f"/v1/tenants/{quote(name, safe='')}"
