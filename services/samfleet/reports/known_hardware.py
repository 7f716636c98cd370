"""Hardware that a tenant may see in reports."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from samfleet.db.models import Hardware, ReportSeries


def known_hardware(session: Session, tenant_id: uuid.UUID) -> Sequence[Hardware]:
    """Return the hardware of this site and that in this tenant's imports. Hardware without any visible report series is
    left out.
    """
    ours = or_(ReportSeries.site_id.is_(None), ReportSeries.tenant_id == tenant_id)
    known = select(ReportSeries.id).where(ReportSeries.hardware_id == Hardware.id, ours).exists()
    return session.scalars(select(Hardware).where(known).order_by(Hardware.first_seen_at, Hardware.id)).all()
