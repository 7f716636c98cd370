from __future__ import annotations

import uuid
from collections.abc import Sequence

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from samfleet.db.models import Hardware, ReportSeries


def known_hardware(session: Session, tenant_id: uuid.UUID) -> Sequence[Hardware]:
    """What computed here, and what other sites told this tenant about, but not what they told others."""
    series = select(ReportSeries.id).where(ReportSeries.hardware_id == Hardware.id)
    ours = or_(ReportSeries.site_id.is_(None), ReportSeries.tenant_id == tenant_id)
    known = or_(~series.where(ReportSeries.site_id.is_not(None)).exists(), series.where(ours).exists())
    return session.scalars(select(Hardware).where(known).order_by(Hardware.first_seen_at, Hardware.id)).all()
