"""Pages of lists that are ordered newest first."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import Select, tuple_

from samfleet.db.models import Dataset, WebhookEndpoint

Place = tuple[datetime, uuid.UUID]


def newest_first(
    query: Select[Any],
    table: type[Dataset | WebhookEndpoint],
    *,
    before: Place | None,
    limit: int,
) -> Select[Any]:
    """Return the query for a page. `before` is (created_at, id) of the last row of the previous page.

    Rows are found by this key and not by their number, so new rows shift no page.
    """
    if before is not None:
        query = query.where(tuple_(table.created_at, table.id) < before)
    return query.order_by(table.created_at.desc(), table.id.desc()).limit(limit)
