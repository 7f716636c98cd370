"""All SQL of datasets. Rows are written by COPY: a file of LVIS's size has more than a million annotations."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from sqlalchemy import BigInteger, Select, Text, cast, collate, func, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Session

from samfleet.datasets.annotation_entries import Size
from samfleet.datasets.copying import NewImage, stated
from samfleet.datasets.image_entries import CheckedCategories
from samfleet.db.models import Dataset, DatasetImage
from samfleet.db.pages import Place, newest_first
from samfleet.db.search import EVERYTHING, Search


def find(session: Session, tenant_id: uuid.UUID, dataset_id: uuid.UUID) -> Dataset | None:
    return session.scalars(_of_tenant(tenant_id, dataset_id)).one_or_none()


def lock(
    session: Session, tenant_id: uuid.UUID, dataset_id: uuid.UUID, *, deleted: bool = False, shared: bool = False
) -> Dataset | None:
    """Return the dataset, locked until this transaction ends; with `deleted` also a deleted one that still has rows.

    With `shared`, other transactions may refer to it meanwhile: a task that writes its images, or a new job.
    """
    chosen = _of_tenant(tenant_id, dataset_id, deleted=deleted)
    query = chosen.with_for_update(key_share=shared).execution_options(populate_existing=True)
    return session.scalars(query).one_or_none()


def page(
    session: Session,
    tenant_id: uuid.UUID,
    *,
    search: Search = EVERYTHING,
    before: Place | None,
    limit: int,
) -> Sequence[Dataset]:
    """Return a page of datasets, newest first; `before` is (created_at, id) of the last one of the previous page."""
    found = search.conditions(Dataset)
    query = select(Dataset).where(Dataset.tenant_id == tenant_id, Dataset.deleted_at.is_(None), *found)
    return session.scalars(newest_first(query, Dataset, before=before, limit=limit)).all()


def images_by_position(session: Session, dataset_id: uuid.UUID, *, after: int, limit: int) -> Sequence[DatasetImage]:
    position = literal(after, BigInteger)  # clients may send any number as the cursor
    query = select(DatasetImage).where(DatasetImage.dataset_id == dataset_id, DatasetImage.position > position)
    return session.scalars(query.order_by(DatasetImage.position).limit(limit)).all()


def images_by_arrival(session: Session, dataset_id: uuid.UUID, *, after: int, limit: int) -> Sequence[DatasetImage]:
    """Return images in the order of their upload, for open datasets, which have no positions yet.

    `after` is an image's `id`.
    """
    query = select(DatasetImage).where(DatasetImage.dataset_id == dataset_id, DatasetImage.id > after)
    return session.scalars(query.order_by(DatasetImage.id).limit(limit)).all()


def uris_of(session: Session, dataset_id: uuid.UUID, names: Sequence[str]) -> Mapping[str, str]:
    """Return the addresses of the images with these names, by name."""
    query = select(DatasetImage.file_name, DatasetImage.uri).where(
        DatasetImage.dataset_id == dataset_id, DatasetImage.file_name.in_(names)
    )
    return {row.file_name: row.uri for row in session.execute(query)}


def add_images(session: Session, dataset_id: uuid.UUID, images: Sequence[NewImage]) -> None:
    """Insert images whose names are free."""
    rows = [
        {
            "dataset_id": dataset_id,
            "file_name": image.file_name,
            "uri": image.uri,
            "size_bytes": image.size_bytes,
            "image_metadata": image.metadata,
        }
        for image in images
    ]
    session.execute(insert(DatasetImage), rows)


def names_in_order(session: Session, dataset_id: uuid.UUID) -> list[tuple[int, str]]:
    """Return (id, file_name) sorted by the names' UTF-8 bytes, like Python, not by the database's collation."""
    query = select(DatasetImage.id, DatasetImage.file_name).where(DatasetImage.dataset_id == dataset_id)
    rows = session.execute(query.order_by(collate(DatasetImage.file_name, "C")))
    return [(row.id, row.file_name) for row in rows]


def number_by_name(session: Session, dataset_id: uuid.UUID) -> None:
    """Set positions 0, 1, 2, … and ids from 1 in the order of `names_in_order`, without reading the names."""
    place = func.row_number().over(order_by=collate(DatasetImage.file_name, "C"))
    ordered = select(DatasetImage.id, place.label("place")).where(DatasetImage.dataset_id == dataset_id).subquery()
    session.execute(
        update(DatasetImage)
        .where(DatasetImage.id == ordered.c.id)
        .values(position=ordered.c.place - 1, image_id=ordered.c.place)
        .execution_options(synchronize_session=False)
    )


def number_images(
    session: Session, ids: Sequence[int], image_ids: Sequence[int], sizes: Mapping[int, Size | None]
) -> None:
    """Set positions 0, 1, 2, …, COCO ids and stated sizes of the images with these database `ids`.

    `sizes` are those stated by the annotations, by COCO id.
    """
    numbers = ARRAY(BigInteger)
    widths, heights = zip(*(stated(sizes, image_id) for image_id in image_ids), strict=True)
    columns = (cast(list(values), numbers) for values in (ids, image_ids, widths, heights))
    numbered = (
        func.unnest(*columns)
        .table_valued("id", "image_id", "stated_width", "stated_height", with_ordinality="ordinal")
        .render_derived()
    )
    session.execute(
        update(DatasetImage)
        .where(DatasetImage.id == numbered.c.id)
        .values(
            position=numbered.c.ordinal - 1,
            image_id=numbered.c.image_id,
            stated_width=numbered.c.stated_width,
            stated_height=numbered.c.stated_height,
        )
        .execution_options(synchronize_session=False)
    )


def record_checked(
    session: Session, dataset_id: uuid.UUID, checked: Mapping[int, CheckedCategories], image_ids: Iterable[int]
) -> None:
    """Set the federated categories of these images, by COCO id; the images must be written.

    PostgreSQL has no ragged arrays, so the lists travel as texts.
    """
    stated = [image_id for image_id in image_ids if image_id in checked]
    if not stated:
        return
    lists = [(checked[image_id].negative, checked[image_id].not_exhaustive) for image_id in stated]
    texts = [[f"{{{','.join(map(str, one))}}}" for one in column] for column in zip(*lists, strict=True)]
    columns = (cast(stated, ARRAY(BigInteger)), *(cast(column, ARRAY(Text)) for column in texts))
    rows = func.unnest(*columns).table_valued("image_id", "negative", "not_exhaustive").render_derived()
    session.execute(
        update(DatasetImage)
        .where(DatasetImage.dataset_id == dataset_id, DatasetImage.image_id == rows.c.image_id)
        .values(
            neg_category_ids=cast(rows.c.negative, ARRAY(BigInteger)),
            not_exhaustive_category_ids=cast(rows.c.not_exhaustive, ARRAY(BigInteger)),
        )
        .execution_options(synchronize_session=False)
    )


def ids_by(
    session: Session,
    dataset_id: uuid.UUID,
    column: Literal["file_name", "image_id", "external_id"],
    values: Sequence[str | int],
) -> Mapping[str | int, int]:
    """Return the COCO ids of the images of a dataset that have these values, by value."""
    if not values:
        return {}
    key = getattr(DatasetImage, column)
    query = select(key.label("key"), DatasetImage.image_id).where(
        DatasetImage.dataset_id == dataset_id, key.in_(values), DatasetImage.image_id.is_not(None)
    )
    return {row.key: row.image_id for row in session.execute(query)}


def content_of(session: Session, dataset_id: uuid.UUID) -> str:
    """Return the SHA-256 of a dataset's images, annotations, detections and prompts; all must be written."""
    return str(session.scalars(select(func.dataset_content(dataset_id))).one())


def _of_tenant(tenant_id: uuid.UUID, dataset_id: uuid.UUID, *, deleted: bool = False) -> Select[Dataset]:
    query = select(Dataset).where(Dataset.tenant_id == tenant_id, Dataset.id == dataset_id)
    return query if deleted else query.where(Dataset.deleted_at.is_(None))
