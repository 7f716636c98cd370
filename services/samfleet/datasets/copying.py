"""COPY of a dataset's rows, which streams any number of them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.types.json import Jsonb
from sqlalchemy.orm import Session

from samfleet.datasets.annotation_entries import Annotation, Size
from samfleet.datasets.detections import Detection

_IMAGES = (
    "COPY dataset_images "
    "(dataset_id, position, image_id, file_name, uri, size_bytes, modified_ns, changed_ns, "
    "metadata, stated_width, stated_height) FROM STDIN"
)


@dataclass(frozen=True, slots=True)
class NewImage:
    file_name: str
    uri: str
    size_bytes: int
    modified_ns: int | None = None
    changed_ns: int | None = None
    metadata: Mapping[str, Any] | None = None

    @property
    def columns(self) -> tuple[Any, ...]:
        metadata = None if self.metadata is None else Jsonb(self.metadata)
        return self.file_name, self.uri, self.size_bytes, self.modified_ns, self.changed_ns, metadata


@dataclass(frozen=True, slots=True)
class PromptsRow:
    """The prompts of an image, in the form of `DatasetPrompts`; `mask_count` of them have a mask."""

    image_id: int
    coordinates: str
    prompt_count: int
    objects: list[dict[str, Any]]
    mask_count: int = 0


def copy_images(
    session: Session,
    dataset_id: uuid.UUID,
    images: Iterable[NewImage],
    image_ids: Sequence[int],
    sizes: Mapping[int, Size | None],
) -> None:
    """Write all images of a dataset at once, in order; the dataset's row must be flushed.

    `sizes` are those stated by the annotations, by COCO id.
    """
    copy_tuples(
        session,
        _IMAGES,
        (
            (dataset_id, position, image_id, *image.columns, *stated(sizes, image_id))
            for position, (image, image_id) in enumerate(zip(images, image_ids, strict=True))
        ),
    )


def copy_numbered(session: Session, dataset_id: uuid.UUID, images: Iterable[NewImage]) -> None:
    """Write all images of a dataset without annotations, in order, with ids from 1."""
    rows = ((dataset_id, position, position + 1, *image.columns, None, None) for position, image in enumerate(images))
    copy_tuples(session, _IMAGES, rows)


def copy_annotations(session: Session, dataset_id: uuid.UUID, annotations: Iterable[Annotation]) -> int:
    """Write the annotations and return their number."""
    return copy_tuples(
        session,
        "COPY dataset_annotations "
        "(dataset_id, image_id, annotation_id, category_id, bbox, area, iscrowd, segmentation) FROM STDIN",
        (
            (
                dataset_id,
                annotation.image_id,
                annotation.annotation_id,
                annotation.category_id,
                list(annotation.bbox),
                annotation.area,
                annotation.iscrowd,
                Jsonb(annotation.segmentation),
            )
            for annotation in annotations
        ),
    )


def copy_detections(session: Session, dataset_id: uuid.UUID, detections: Iterable[Detection]) -> None:
    copy_tuples(
        session,
        "COPY dataset_detections (dataset_id, image_id, detection_id, category_id, bbox, score) FROM STDIN",
        (
            (
                dataset_id,
                detection.image_id,
                detection.detection_id,
                detection.category_id,
                list(detection.bbox),
                detection.score,
            )
            for detection in detections
        ),
    )


def copy_prompts(session: Session, dataset_id: uuid.UUID, rows: Iterable[PromptsRow]) -> None:
    copy_tuples(
        session,
        "COPY dataset_prompts (dataset_id, image_id, coordinates, prompt_count, objects) FROM STDIN",
        ((dataset_id, row.image_id, row.coordinates, row.prompt_count, Jsonb(row.objects)) for row in rows),
    )


def copy_tuples(session: Session, statement: str, rows: Iterable[tuple[Any, ...]]) -> int:
    """Send the rows of a COPY and return their number."""
    connection = session.connection().connection.driver_connection
    if not isinstance(connection, psycopg.Connection):
        raise TypeError(f"COPY needs the psycopg driver, not {type(connection).__name__}")
    count = 0
    with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        for row in rows:
            copy.write_row(row)
            count += 1
    return count


def stated(sizes: Mapping[int, Size | None], image_id: int) -> tuple[int | None, int | None]:
    """Return (width, height), or (None, None) if the annotations do not state them."""
    height, width = sizes.get(image_id) or (None, None)
    return width, height
