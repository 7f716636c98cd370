"""Labels of datasets in reports. Many datasets are called `images`, and reports must keep them apart.

Within a tenant a label identifies one content. The first content of a name gets the name; later ones get a part of
their digest appended. Datasets with the same content share one label, even if their names differ.
"""

from __future__ import annotations

import uuid

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from samfleet.db.models import ReportSeries

_DIGITS = (12, 64)
_LONGEST_NAME = 130  # of 200 characters, so that a whole digest fits behind it
UNKNOWN = "unknown"


def dataset_label(session: Session, tenant_id: uuid.UUID, name: str, content: str | None) -> str:
    """Return the label of a dataset of this name and content.

    A new label holds a lock until the transaction ends: two concurrent series must not use one label for two contents.
    """
    series = select(ReportSeries.dataset).where(ReportSeries.tenant_id == tenant_id)
    known = series.where(ReportSeries.dataset_content == content).limit(1)
    if (label := session.scalars(known).one_or_none()) is not None:
        return label
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"dataset labels {tenant_id}", 0))))
    if (label := session.scalars(known).one_or_none()) is not None:
        return label
    begin = name[:_LONGEST_NAME]
    ends = [content[:digits] for digits in _DIGITS] if content is not None else [UNKNOWN]
    labels = [name, *(f"{begin} #{end}" for end in ends)]
    others = series.where(ReportSeries.dataset_content.is_distinct_from(content), ReportSeries.dataset.in_(labels))
    taken = set(session.scalars(others.distinct()))
    return next((label for label in labels if label not in taken), labels[-1])
