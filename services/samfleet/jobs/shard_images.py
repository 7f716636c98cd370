"""Images of a shard with their annotations, and the detections or prompts that its task uses."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from samfleet.datasets.prompts import read_stored
from samfleet.db.models import (
    DatasetAnnotation,
    DatasetDetection,
    DatasetImage,
    DatasetPrompts,
    ImageResult,
    Outcome,
    Shard,
)
from samfleet.jobs.outcomes import Annotation, Detection, FilePrompt, ShardImage

MANIFEST = (DatasetImage.external_id, DatasetImage.image_metadata.label("metadata"))


def read_shard_images(
    session: Session,
    dataset_id: uuid.UUID,
    positions: range,
    *,
    with_detections: bool = False,
    with_prompts: bool = False,
) -> tuple[ShardImage, ...]:
    """Return the images at these positions, in order. Detections and prompts are many, so only used ones are read."""
    fields = (DatasetImage.id, DatasetImage.image_id, DatasetImage.file_name, DatasetImage.uri, DatasetImage.size_bytes)
    images = session.execute(  # rows, because an object of the session costs ten times as much
        select(*fields, *MANIFEST, DatasetImage.stated_width, DatasetImage.stated_height)
        .where(DatasetImage.dataset_id == dataset_id, DatasetImage.position.between(positions[0], positions[-1]))
        .order_by(DatasetImage.position)
    ).all()
    image_ids = [image.image_id for image in images if image.image_id is not None]  # all images of a sealed dataset
    annotations = _annotations(session, dataset_id, image_ids)
    detections = _detections(session, dataset_id, image_ids) if with_detections else {}
    prompts = _prompts(session, dataset_id, image_ids) if with_prompts else {}
    return tuple(
        ShardImage(
            dataset_image_id=image.id,
            image_id=image.image_id,
            file_name=image.file_name,
            uri=image.uri,
            size_bytes=image.size_bytes,
            annotations=tuple(annotations.get(image.image_id, ())),
            detections=tuple(detections.get(image.image_id, ())),
            stated_size=_stated_size(image.stated_width, image.stated_height),
            prompts=prompts.get(image.image_id, ()),
            external_id=image.external_id,
            metadata=image.metadata,
        )
        for image in images
        if image.image_id is not None
    )


def failed_images(session: Session, shard: Shard, images: Sequence[ShardImage]) -> tuple[ShardImage, ...]:
    """Return those images of a shard whose recorded result is a failure, in order."""
    query = select(ImageResult.dataset_image_id).where(
        ImageResult.run_id == shard.run_id,
        ImageResult.shard_id == shard.id,
        ImageResult.image_id.in_([image.image_id for image in images]),  # the index has no shard
        ImageResult.outcome == Outcome.FAILED,
    )
    failed = set(session.scalars(query))
    return tuple(image for image in images if image.dataset_image_id in failed)


def _stated_size(width: int | None, height: int | None) -> tuple[int, int] | None:
    return None if width is None or height is None else (width, height)


def _annotations(
    session: Session, dataset_id: uuid.UUID, image_ids: Collection[int]
) -> Mapping[int, Sequence[Annotation]]:
    rows = session.scalars(
        select(DatasetAnnotation)
        .where(DatasetAnnotation.dataset_id == dataset_id, DatasetAnnotation.image_id.in_(image_ids))
        .order_by(DatasetAnnotation.annotation_id)
    )
    found: dict[int, list[Annotation]] = defaultdict(list)
    for row in rows:
        x, y, width, height = row.bbox
        annotation = Annotation(
            row.annotation_id, row.category_id, (x, y, width, height), row.iscrowd, row.segmentation
        )
        found[row.image_id].append(annotation)
    return found


def _detections(
    session: Session, dataset_id: uuid.UUID, image_ids: Collection[int]
) -> Mapping[int, Sequence[Detection]]:
    rows = session.scalars(
        select(DatasetDetection)
        .where(DatasetDetection.dataset_id == dataset_id, DatasetDetection.image_id.in_(image_ids))
        .order_by(DatasetDetection.detection_id)
    )
    found: dict[int, list[Detection]] = defaultdict(list)
    for row in rows:
        x, y, width, height = row.bbox
        found[row.image_id].append(Detection(row.detection_id, row.category_id, (x, y, width, height), row.score))
    return found


def _prompts(
    session: Session, dataset_id: uuid.UUID, image_ids: Collection[int]
) -> Mapping[int, tuple[FilePrompt, ...]]:
    rows = session.scalars(
        select(DatasetPrompts).where(DatasetPrompts.dataset_id == dataset_id, DatasetPrompts.image_id.in_(image_ids))
    )
    return {
        row.image_id: tuple(
            FilePrompt(one.object_id, number, one.category_id, prompt, relative=row.coordinates == "relative")
            for one in read_stored(row.objects)
            for number, prompt in enumerate(one.prompts)
        )
        for row in rows
    }
