"""Check of variant names in reports: a misspelt name must not look like a variant without measurements."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from sqlalchemy import Engine, select

from samfleet.db.models import ReportSeries
from samfleet.db.session import read_only
from samfleet.variants.catalogue import VARIANTS, unknown_variant


def require_known_variants(engine: Engine, tenant_id: uuid.UUID, names: Iterable[str]) -> None:
    """Raise `VariantNotFound` for a name that cannot be run here and was measured neither here nor on another site."""
    unfamiliar = [name for name in names if name not in VARIANTS]
    if not unfamiliar:
        return
    with read_only(engine) as session:
        query = select(ReportSeries.variant).where(ReportSeries.tenant_id == tenant_id).distinct()
        known = {*VARIANTS, *session.scalars(query)}
    for name in unfamiliar:
        if name not in known:
            raise unknown_variant(name, known)
