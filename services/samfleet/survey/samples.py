"""Datasets of a survey: their labels in reports, and what they are samples of."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from samfleet.datasets.service import DatasetNotFound
from samfleet.db.models import Dataset, ReportSeries
from samfleet.errors import InvalidInput
from samfleet.survey.conditions import NAMES


class SurveySampleInvalid(InvalidInput):
    """A `sample_of` is not ID:NAME, with the id of a dataset and the name of a data set or detector of the survey."""

    code = "survey_sample_invalid"


def read_samples(session: Session, tenant_id: uuid.UUID, given: Iterable[str]) -> dict[str, str]:
    """Parse pairs ID:NAME to names by label. Only figures of such datasets are compared with published quality.

    Raises `SurveySampleInvalid`, or `DatasetNotFound`.
    """
    wanted = dict(map(_sample, given))
    labels = dataset_labels(session, tenant_id, wanted)
    return {labels[one]: name for one, name in wanted.items()}


def dataset_labels(session: Session, tenant_id: uuid.UUID, dataset_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Return the labels that reports have for datasets, by id.

    A dataset without measurements has no label and gets its id, which is the label of nothing. Raises
    `DatasetNotFound`.
    """
    owned = select(Dataset.id).where(Dataset.id.in_(dataset_ids), Dataset.tenant_id == tenant_id)
    if unknown := sorted(map(str, set(dataset_ids) - set(session.scalars(owned)))):
        raise DatasetNotFound(f"you have no dataset {', '.join(unknown)}; GET /v1/datasets lists yours")
    measured = (
        select(Dataset.id, ReportSeries.dataset)
        .join(ReportSeries, ReportSeries.dataset_content == Dataset.content_sha256)
        .where(Dataset.id.in_(dataset_ids), ReportSeries.tenant_id == tenant_id)
        .distinct()
    )
    found = {row.id: row.dataset for row in session.execute(measured)}
    return {one: found.get(one, str(one)) for one in dataset_ids}


def _sample(text: str) -> tuple[uuid.UUID, str]:
    identifier, _, name = text.partition(":")
    try:
        dataset_id = uuid.UUID(identifier)
    except ValueError as error:
        raise SurveySampleInvalid(f"{text!r} does not begin with the id of a dataset; write ID:NAME") from error
    if name not in NAMES:
        raise SurveySampleInvalid(f"{text!r} ends in {name!r}; the names are {', '.join(NAMES)}")
    return dataset_id, name
