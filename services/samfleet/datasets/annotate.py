"""Ids of a dataset's images from its annotations, writing the annotations, and counting those that match."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from samfleet.datasets import copying, repository
from samfleet.datasets.annotations import CocoInstances, Tally
from samfleet.datasets.coverage import Coverage
from samfleet.datasets.matching import assign_image_ids
from samfleet.db.models import Dataset
from samfleet.errors import InvalidInput


class AnnotationsUnmatched(InvalidInput):
    """Some images have no annotations, or some annotations no image, which strict_annotations does not allow."""

    code = "annotations_unmatched"


def ids_of(names: Sequence[str], instances: CocoInstances | None) -> Sequence[int]:
    """Return the ids of images in the dataset's order. Raises `AnnotationsInvalid` if the annotations list none."""
    if instances is None:
        return assign_image_ids(names, None)
    image_ids = assign_image_ids(names, instances.image_ids, instances.originals)
    instances.require_any(image_ids)
    return image_ids


def write_annotations(
    session: Session,
    dataset: Dataset,
    instances: CocoInstances,
    image_ids: Sequence[int],
    *,
    strict: bool,
    limited: bool = False,
) -> None:
    """Write the annotations of a dataset whose images have their ids, reading the file entry by entry.

    The dataset's row must be flushed and have the number of images. With `strict`, raises `AnnotationsUnmatched` if an
    image has no annotations or an annotation no image; the latter is allowed in a dataset that is `limited` to some
    images of a folder.
    """
    tally, named = Tally(), frozenset(instances.image_ids.values())
    repository.record_checked(session, dataset.id, instances.checked, image_ids)
    copying.copy_annotations(session, dataset.id, instances.of_images(frozenset(image_ids), tally))
    dataset.annotated_image_count = sum(image_id in named for image_id in image_ids)
    dataset.annotation_count = tally.used
    dataset.unused_annotation_count = tally.unused
    dataset.box_annotation_count = tally.boxes
    missing = dataset.annotated_image_count < len(image_ids) or (tally.unused and not limited)
    if strict and missing:
        coverage = Coverage(len(image_ids), dataset.annotated_image_count, tally.used, tally.unused, tally.boxes)
        raise AnnotationsUnmatched(
            f"{coverage}; correct file_name in the annotations, or leave strict_annotations out to take what matches"
        )
