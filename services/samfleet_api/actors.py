"""Names of those who changed something, for people: `key:<id>` becomes the name of the key."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import ScalarSelect, func, select
from sqlalchemy.orm import InstrumentedAttribute

from samfleet.db.models import ApiKey

ACTOR = "`key:<id>` for a request, `system:<task>` for a task of the server."
KEY_NAME = "Name of the key that sent the request; null for the server itself."


def key_name(actor: InstrumentedAttribute[str], tenant_id: uuid.UUID) -> ScalarSelect[Any]:
    """Return the expression of the name of the tenant's key that `actor` names; null for a task of the server."""
    keys = select(ApiKey.name).where(ApiKey.tenant_id == tenant_id, func.concat("key:", ApiKey.id) == actor)
    return keys.scalar_subquery()
