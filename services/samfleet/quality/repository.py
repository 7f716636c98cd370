"""All SQL of evaluations."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from samfleet.db.models import Dataset, DatasetAnnotation, DatasetImage, RunQuality
from samfleet.quality.federated import Checked
from samfleet.quality.protocol import Figure


def annotations_of(
    session: Session, dataset_id: uuid.UUID, image_ids: Collection[int]
) -> Mapping[int, Sequence[DatasetAnnotation]]:
    """Return annotations by image id, in the order of the annotations file."""
    query = select(DatasetAnnotation).where(
        DatasetAnnotation.dataset_id == dataset_id, DatasetAnnotation.image_id.in_(image_ids)
    )
    found: defaultdict[int, list[DatasetAnnotation]] = defaultdict(list)
    for annotation in session.scalars(query.order_by(DatasetAnnotation.id)):
        found[annotation.image_id].append(annotation)
    return found


def stated_sizes_of(
    session: Session, dataset_id: uuid.UUID, image_ids: Collection[int]
) -> Mapping[int, tuple[int, int]]:
    """Return (width, height) by image id, for the images with a size in the annotations file."""
    query = select(DatasetImage.image_id, DatasetImage.stated_width, DatasetImage.stated_height).where(
        DatasetImage.dataset_id == dataset_id,
        DatasetImage.image_id.in_(image_ids),
        DatasetImage.stated_width.is_not(None),
    )
    return {row.image_id: (row.stated_width, row.stated_height) for row in session.execute(query)}


def checked_of(session: Session, dataset_id: uuid.UUID, image_ids: Collection[int]) -> Mapping[int, Checked]:
    """Return the categories looked for in each of these images, for those with federated annotations."""
    negative, incomplete = DatasetImage.neg_category_ids, DatasetImage.not_exhaustive_category_ids
    query = select(DatasetImage.image_id, negative, incomplete).where(
        DatasetImage.dataset_id == dataset_id, DatasetImage.image_id.in_(image_ids), negative.is_not(None)
    )
    return {
        image_id: Checked(frozenset(absent or ()), frozenset(some or ()))
        for image_id, absent, some in session.execute(query)
        if image_id is not None
    }


def all_checked(session: Session, dataset: Dataset) -> bool:
    """Return True if every image of the annotations file states the categories that were looked for in it."""
    stated = select(func.count()).where(
        DatasetImage.dataset_id == dataset.id, DatasetImage.neg_category_ids.is_not(None)
    )
    return session.scalar(stated) == dataset.annotated_image_count


def replace_figures(session: Session, run_id: uuid.UUID, figures: Sequence[Figure]) -> None:
    session.execute(delete(RunQuality).where(RunQuality.run_id == run_id))
    if figures:
        session.execute(insert(RunQuality), [_row(run_id, figure) for figure in figures])


def _row(run_id: uuid.UUID, figure: Figure) -> dict[str, Any]:
    replicates = None if figure.replicates is None else list(figure.replicates)  # a tuple would be a composite value
    return {"run_id": run_id, **asdict(figure), "replicates": replicates}


def figures_of(session: Session, run_ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, Sequence[RunQuality]]:
    """Return quality figures by run, ordered by metric, area and limit."""
    query = select(RunQuality).where(RunQuality.run_id.in_(run_ids))
    found: defaultdict[uuid.UUID, list[RunQuality]] = defaultdict(list)
    ordered = query.order_by(RunQuality.run_id, RunQuality.metric, RunQuality.area, RunQuality.max_detections)
    for row in session.scalars(ordered):
        found[row.run_id].append(row)
    return found
