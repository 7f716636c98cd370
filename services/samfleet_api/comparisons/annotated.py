"""Comparison of one image of a run with its annotations, computed when it is requested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter

from samfleet.comparisons.matching import Matching, masks_in_groups, match_masks
from samfleet.db.session import read_only
from samfleet.jobs.export import RunNotFound
from samfleet.quality.segmentation import AnnotationOutlineTooLong, Rle
from samfleet.quality.sizes import AnnotationSizeMismatch
from samfleet.storage.jsonl import PartFileDamaged
from samfleet.storage.store import ObjectNotFound, StorageUnavailable
from samfleet_api.comparisons.image_schemas import AnnotationComparison
from samfleet_api.dependencies import EngineValue, StoreValue, TenantId
from samfleet_api.long_requests import long_running
from samfleet_api.problems import problems
from samfleet_api.runs.annotated import Annotated, read_annotated, shapes_of
from samfleet_api.runs.endpoints import ImageId
from samfleet_api.runs.views import ImageNotSegmented, ImageResultNotFound, read_masks, require_image, require_segmented
from samfleet_api.short_ids import IdAmbiguous, RunId

router = APIRouter(prefix="/v1/runs", tags=["comparisons"])


@router.get(
    "/{run_id}/images/{image_id}/annotations/comparison",
    summary="Match one image's masks one to one with its annotations",
    operation_id="comparison_read_annotations",
    responses=problems(
        AnnotationOutlineTooLong, AnnotationSizeMismatch, IdAmbiguous, ImageNotSegmented, ImageResultNotFound,
        ObjectNotFound, PartFileDamaged, RunNotFound, StorageUnavailable,
    ),
)  # fmt: skip
@long_running
def compare_with_annotations(
    run_id: RunId, image_id: ImageId, tenant_id: TenantId, engine: EngineValue, store: StoreValue
) -> AnnotationComparison:
    """Match the image's annotations with its masks, as the masks of two runs are matched: no mask fits two annotations.
    Groups (`iscrowd`) are not matched, and masks in them are not counted as gained.
    """
    with read_only(engine) as session:
        known = read_annotated(session, *require_image(session, tenant_id, run_id, image_id))
    require_segmented(known.result)
    found, ignored = match_annotations(known, shapes_of(known), read_masks(store, known.result))
    return AnnotationComparison.of(run_id, image_id, known.annotated, found, ignored)


def match_annotations(
    known: Annotated, shapes: Sequence[Rle], masks: Sequence[Mapping[str, Any]]
) -> tuple[Matching, list[int]]:
    """Match the annotations, as side A, with the masks. The second value has the places of masks inside groups."""
    is_group = [annotation.iscrowd for annotation in known.annotations]
    single = [place for place, group in enumerate(is_group) if not group]
    groups = [shape for shape, group in zip(shapes, is_group, strict=True) if group]
    found = match_masks([{"segmentation": shapes[place]} for place in single], masks)
    grouped = set(masks_in_groups([masks[place] for place in found.gained], groups))
    ignored = [place for at, place in enumerate(found.gained) if at in grouped]
    return Matching(
        pairs=[pair._replace(first=single[pair.first]) for pair in found.pairs],
        lost=[single[place] for place in found.lost],
        gained=[place for at, place in enumerate(found.gained) if at not in grouped],
    ), ignored
