"""Conditions on API keys that are valid now."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from samfleet.db.models import ApiKey, Tenant

# A key that was neither revoked nor has expired.
VALID = and_(ApiKey.revoked_at.is_(None), or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > func.now()))


class ValidAdmin(NamedTuple):
    key_id: uuid.UUID
    tenant_id: uuid.UUID
    expires_at: datetime | None


def lock_admins(session: Session) -> Sequence[ValidAdmin]:
    """Lock the valid admin keys of enabled tenants, and these tenants, in a fixed order.

    So two requests cannot take the last two away at once. New rows that refer to them are not held up.
    """
    query = (
        select(ApiKey.id, ApiKey.tenant_id, ApiKey.expires_at)
        .join(Tenant, Tenant.id == ApiKey.tenant_id)
        .where(ApiKey.is_admin, VALID, Tenant.disabled_at.is_(None))
        .order_by(ApiKey.id)
    )
    rows = session.execute(query.with_for_update(of=(ApiKey, Tenant), key_share=True))
    return [ValidAdmin(*row) for row in rows]
