"""Differences between the images of a version and those of the version before it.

Two images are the same bytes if they have the same address and size and, for a file, the same settled times. An
uploaded object is written once under its key. The address of an object in a bucket has its ETag, and so has a URL whose
manifest states it; without one, nothing is known of its bytes. Nothing is read.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, String, and_, exists, func, insert, literal, not_, or_, select
from sqlalchemy.orm import Session, aliased

from samfleet.datasets.content import FILE_SCHEME, STORE_SCHEME
from samfleet.datasets.frame_addresses import PREFIX
from samfleet.datasets.service import DatasetTooLarge
from samfleet.db.models import Dataset, DatasetAnnotation, DatasetDetection, DatasetImage

CARRIED = (
    DatasetImage.file_name,
    DatasetImage.external_id,
    DatasetImage.image_metadata,
    DatasetImage.uri,
    DatasetImage.size_bytes,
    DatasetImage.modified_ns,
    DatasetImage.changed_ns,
)

NUMBERED = (
    *CARRIED,
    DatasetImage.position,
    DatasetImage.image_id,
    DatasetImage.stated_width,
    DatasetImage.stated_height,
    DatasetImage.neg_category_ids,
    DatasetImage.not_exhaustive_category_ids,
)
COUNTS = (
    "image_count",
    "annotation_count",
    "annotated_image_count",
    "unused_annotation_count",
    "box_annotation_count",
    "detection_count",
    "left_out",
)


def same_bytes(one: Any, other: Any) -> ColumnElement[bool]:
    """Return the condition that two rows of `dataset_images` are the same bytes.

    Files listed before times were recorded, or written just before the listing, are never the same.
    """
    same_times = and_(one.modified_ns == other.modified_ns, one.changed_ns == other.changed_ns)
    settled = and_(one.changed_ns.is_not(None), other.changed_ns.is_not(None), same_times)
    file = func.regexp_replace(one.uri, PREFIX, "", type_=String)  # the one in which a frame lies
    is_file = file.startswith(FILE_SCHEME, autoescape=True)
    is_stored = file.startswith(STORE_SCHEME, autoescape=True)
    is_tagged = and_(not_(is_file), one.uri.regexp_match("#.+$"))
    known = or_(is_stored, is_tagged, and_(is_file, settled))
    return and_(one.uri == other.uri, one.size_bytes == other.size_bytes, known)


def count_changes(session: Session, dataset: Dataset) -> None:
    """Set `changes` of a dataset whose images are written; None for a first version, or if the base was deleted.

    An image is found again by its file name.
    """
    if dataset.base_id is None:
        return
    base = select(Dataset.id).where(Dataset.id == dataset.base_id, Dataset.deleted_at.is_(None))
    if session.scalars(base.with_for_update(read=True)).one_or_none() is not None:
        dataset.changes = _compare(session, dataset.id, dataset.base_id)


def carry_over(session: Session, dataset: Dataset, most: int | None) -> None:
    """Add the images of the base to an open version, except those whose names it has; uploads stay where they are.

    A dataset without a base or without uploads is left as it is. Raises `DatasetTooLarge` for more than `most` images.
    """
    if dataset.base_id is None or not dataset.image_count:
        return
    new = aliased(DatasetImage)
    taken = exists().where(new.dataset_id == dataset.id, new.file_name == DatasetImage.file_name)
    rows = select(literal(dataset.id), *CARRIED)
    of_base = rows.where(DatasetImage.dataset_id == dataset.base_id, ~taken)
    session.execute(insert(DatasetImage).from_select([DatasetImage.dataset_id, *CARRIED], of_base))
    count = select(func.count()).select_from(DatasetImage).where(DatasetImage.dataset_id == dataset.id)
    dataset.image_count = session.scalars(count).one()
    if most is not None and dataset.image_count > most:
        raise DatasetTooLarge(
            f"dataset {dataset.id} would have {dataset.image_count} images with those of its base, more than {most}; "
            "make another dataset, or raise SAMFLEET_MAX_DATASET_IMAGES"
        )


def repeat_base(session: Session, dataset: Dataset) -> bool:
    """Give an open version all of its base but the prompts, if nothing except prompts was uploaded to it.

    Images keep their order and ids, so annotations and detections stay valid. Returns False for any other dataset.
    """
    given = dataset.image_count or dataset.annotations_key or dataset.detections_key
    base = None if dataset.base_id is None or given else session.get(Dataset, dataset.base_id)
    if base is None or dataset.prompts_key is None:
        return False
    _copy_rows(session, DatasetImage, NUMBERED, base.id, dataset.id)
    for table in (DatasetAnnotation, DatasetDetection):
        columns = [one for one in table.__table__.columns if one.key not in {"id", "dataset_id"}]
        _copy_rows(session, table, columns, base.id, dataset.id)
    for name in COUNTS:
        setattr(dataset, name, getattr(base, name))
    if base.annotation_count is not None:  # otherwise the categories are those of the base's prompts
        dataset.categories = base.categories
    return True


def _copy_rows(session: Session, table: Any, columns: Sequence[Any], base_id: uuid.UUID, dataset_id: uuid.UUID) -> None:
    rows = select(literal(dataset_id), *columns).where(table.dataset_id == base_id).order_by(table.id)
    session.execute(insert(table).from_select([table.dataset_id, *columns], rows))


def _compare(session: Session, dataset_id: uuid.UUID, base_id: uuid.UUID) -> dict[str, int]:
    new, old = (
        aliased(DatasetImage, select(DatasetImage).where(DatasetImage.dataset_id == one).subquery())
        for one in (dataset_id, base_id)
    )
    both = and_(new.id.is_not(None), old.id.is_not(None))
    counts = {
        "new": old.id.is_(None),
        "changed": and_(both, not_(same_bytes(new, old))),
        "gone": new.id.is_(None),
        "unchanged": and_(both, same_bytes(new, old)),
    }
    columns = [func.count().filter(condition).label(name) for name, condition in counts.items()]
    joined = select(*columns).select_from(new).join(old, new.file_name == old.file_name, full=True)
    return dict(zip(counts, session.execute(joined).one(), strict=True))
