from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from samfleet.db.models import ApiKey, Scope
from samfleet_api.schemas import Moment, RequestModel, StorableText
from samfleet_api.tenants.schemas import TenantName

KeyName = Annotated[StorableText, StringConstraints(min_length=1, max_length=100, strip_whitespace=True)]

_KEY: dict[str, JsonValue] = {
    "id": "0b7f6a3e-6f1d-4e0a-9d53-2c1f5d0a7b11",
    "name": "laptop of Ann",
    "tenant": "default",
    "scope": "submit",
    "bootstrap": False,
    "created_at": "2026-11-28T10:00:00Z",
    "expires_at": None,
    "last_used_at": None,
    "revoked_at": None,
}


class CreateKey(RequestModel):
    """A new key of a tenant."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "laptop of Ann", "tenant": "default"}]})

    name: KeyName = Field(description="Name of the person or program that will use the key.")
    tenant: TenantName | None = Field(
        default=None, description="Tenant whose data the key can access. Default: your own tenant."
    )
    scope: Scope = Field(
        default=Scope.SUBMIT,
        description="`read` may only read; `submit` may also change what the tenant owns; `admin` also manages "
        "the keys and tenants of the whole server.",
    )
    expires_at: Moment | None = Field(default=None, description="The key is refused from then on. Default: never.")


class Key(BaseModel):
    """A key, without its secret."""

    model_config = ConfigDict(json_schema_extra={"examples": [_KEY]})

    id: uuid.UUID
    name: str
    tenant: str
    scope: Scope
    bootstrap: bool = Field(description="True if it was set by SAMFLEET_BOOTSTRAP_API_KEY.")
    created_at: datetime
    expires_at: datetime | None = Field(description="Null if it never expires.")
    last_used_at: datetime | None = Field(description="Exact to one minute; null if it was never used.")
    revoked_at: datetime | None

    @classmethod
    def of(cls, row: ApiKey, tenant: str, **fields: str) -> Self:
        return cls(
            id=row.id,
            name=row.name,
            tenant=tenant,
            scope=row.scope,
            bootstrap=row.is_bootstrap,
            created_at=row.created_at,
            expires_at=row.expires_at,
            last_used_at=row.last_used_at,
            revoked_at=row.revoked_at,
            **fields,
        )


class NewKey(Key):
    """A key with its secret, which is shown only once."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_KEY, "key": "sf_…"}]})

    key: str = Field(description="The secret. Only its SHA-256 is stored, so it cannot be shown again.")
