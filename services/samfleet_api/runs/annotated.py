"""Annotations of an image of a run, compared with its masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from sqlalchemy import select
from sqlalchemy.orm import Session

from samfleet.db.models import Dataset, DatasetAnnotation, DatasetImage, ImageResult
from samfleet.db.session import read_only
from samfleet.jobs.coco_files import categories_with
from samfleet.jobs.export import RunNotFound
from samfleet.quality.matching import FOUND_IOU, Match, best_matches
from samfleet.quality.repository import annotations_of
from samfleet.quality.segmentation import AnnotationOutlineTooLong, Rle, annotation_rle
from samfleet.quality.sizes import AnnotationSizeMismatch, check_size
from samfleet.storage.jsonl import PartFileDamaged
from samfleet.storage.store import ObjectNotFound, StorageUnavailable
from samfleet_api.dependencies import EngineValue, StoreValue, TenantId
from samfleet_api.long_requests import long_running
from samfleet_api.problems import problems
from samfleet_api.runs.annotation_schemas import (
    AnnotatedObject,
    CocoRunLengths,
    ImageAnnotations,
    MaskMatch,
    UsedCategory,
)
from samfleet_api.runs.endpoints import ImageId
from samfleet_api.runs.views import (
    ImageNotSegmented,
    ImageResultNotFound,
    read_masks,
    require_image,
    require_segmented,
)
from samfleet_api.short_ids import RunId

router = APIRouter(prefix="/v1/runs", tags=["runs"])


@dataclass(frozen=True, slots=True)
class Annotated:
    """Rows of an image, and of its dataset."""

    result: ImageResult
    image: DatasetImage
    annotated: bool
    categories: Sequence[Mapping[str, Any]]
    annotations: Sequence[DatasetAnnotation]


@router.get(
    "/{run_id}/images/{image_id}/annotations",
    summary="Read an image's annotations and how its masks agree with them",
    operation_id="run_read_annotations",
    responses=problems(
        RunNotFound,
        AnnotationOutlineTooLong,
        AnnotationSizeMismatch,
        ImageNotSegmented,
        ImageResultNotFound,
        ObjectNotFound,
        PartFileDamaged,
        StorageUnavailable,
    ),
)
@long_running
def read_annotations(
    run_id: RunId, image_id: ImageId, tenant_id: TenantId, engine: EngineValue, store: StoreValue
) -> ImageAnnotations:
    """Return the image's annotations as run lengths, each with the mask of highest IoU, and the annotation of highest
    IoU of each mask. A mask may be the best one of several annotations.
    """
    with read_only(engine) as session:
        known = read_annotated(session, *require_image(session, tenant_id, run_id, image_id))
    require_segmented(known.result)
    masks = read_masks(store, known.result)
    shapes = shapes_of(known)
    single = [place for place, annotation in enumerate(known.annotations) if not annotation.iscrowd]
    of_masks, of_single = best_matches([mask["segmentation"] for mask in masks], [shapes[place] for place in single])
    of_annotations = dict(zip(single, of_single, strict=True))
    used = {annotation.category_id for annotation in known.annotations}
    used.update(mask["category_id"] for mask in masks if "category_id" in mask)
    categories = [entry for entry in categories_with(known.categories, used) if entry["id"] in used]
    names = {entry["id"]: str(entry["name"]) for entry in known.categories if "name" in entry}
    return ImageAnnotations(
        run_id=run_id,
        image_id=image_id,
        annotated=known.annotated,
        annotations=[
            _object(annotation, shapes[place], names, of_annotations.get(place))
            for place, annotation in enumerate(known.annotations)
        ],
        masks=[_of_mask(match, known.annotations, single) for match in of_masks],
        categories=[UsedCategory(id=entry["id"], name=str(entry.get("name", entry["id"]))) for entry in categories],
    )


def read_annotated(session: Session, result: ImageResult, image: DatasetImage) -> Annotated:
    """Return an image's rows with its annotations, in the order of the annotations file."""
    dataset = session.scalars(select(Dataset).where(Dataset.id == image.dataset_id)).one()
    annotations = annotations_of(session, dataset.id, [result.image_id]).get(result.image_id, ())
    return Annotated(result, image, bool(dataset.annotation_count), dataset.categories or (), annotations)


def shapes_of(known: Annotated) -> list[Rle]:
    """Return the run lengths of the annotations. Raises `AnnotationSizeMismatch` if they are of an other image size."""
    width, height = known.result.width or 0, known.result.height or 0
    image = known.image
    stated = None
    if image.stated_width is not None and image.stated_height is not None:
        stated = (image.stated_width, image.stated_height)
    check_size(known.annotations, stated, width, height)
    return [annotation_rle(annotation.segmentation, height, width) for annotation in known.annotations]


def _object(
    annotation: DatasetAnnotation, shape: Rle, names: Mapping[int, str], match: Match | None
) -> AnnotatedObject:
    counts = shape["counts"]
    iou = None if annotation.iscrowd else 0.0 if match is None else match.iou
    return AnnotatedObject(
        annotation_id=annotation.annotation_id,
        category_id=annotation.category_id,
        category=names.get(annotation.category_id),
        bbox=annotation.bbox,
        area=annotation.area,
        iscrowd=annotation.iscrowd,
        segmentation=CocoRunLengths(
            size=list(shape["size"]), counts=counts.decode() if isinstance(counts, bytes) else counts
        ),
        iou=iou,
        mask_index=None if match is None else match.index,
        found=None if iou is None else iou >= FOUND_IOU,
    )


def _of_mask(match: Match | None, annotations: Sequence[DatasetAnnotation], single: Sequence[int]) -> MaskMatch:
    if match is None:
        return MaskMatch(iou=0.0 if single else None, annotation_id=None)
    return MaskMatch(iou=match.iou, annotation_id=annotations[single[match.index]].annotation_id)
