"""A misspelt variant in a report must not look like one that nothing was measured of."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from sqlalchemy import Engine, select

from samfleet.db.models import ReportSeries
from samfleet.db.session import read_only
from samfleet.variants.catalogue import VARIANTS, unknown_variant


def require_known_variants(engine: Engine, tenant_id: uuid.UUID, names: Iterable[str]) -> None:
    """Known is what can be run here, and what was measured here or on another site."""
    strange = [name for name in names if name not in VARIANTS]
    if not strange:
        return
    with read_only(engine) as session:
        query = select(ReportSeries.variant).where(ReportSeries.tenant_id == tenant_id).distinct()
        known = {*VARIANTS, *session.scalars(query)}
    for name in strange:
        if name not in known:
            raise unknown_variant(name, known)
