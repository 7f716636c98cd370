"""Comparison of one image in two runs, computed when it is requested."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from samfleet.comparisons.errors import RunsNotComparable
from samfleet.comparisons.matching import match_masks
from samfleet.comparisons.request import require_comparable
from samfleet.db.session import read_only
from samfleet.jobs.export import RunNotFound
from samfleet.storage.jsonl import PartFileDamaged
from samfleet.storage.store import ObjectNotFound, StorageUnavailable
from samfleet_api.comparisons.image_schemas import ImageComparison
from samfleet_api.dependencies import EngineValue, StoreValue, TenantId
from samfleet_api.long_requests import long_running
from samfleet_api.problems import problems
from samfleet_api.runs.endpoints import ImageId
from samfleet_api.runs.views import (
    ImageNotSegmented,
    ImageResultNotFound,
    read_masks,
    require_image,
    require_run,
    require_segmented,
)
from samfleet_api.short_ids import DESCRIPTION, PATTERN, IdAmbiguous, IdText, RunId, whole_run_id

router = APIRouter(prefix="/v1/runs", tags=["comparisons"])

OtherRun = Annotated[
    IdText, Query(alias="with", description=f"Run B. {DESCRIPTION}", json_schema_extra={"pattern": PATTERN})
]


@router.get(
    "/{run_id}/images/{image_id}/comparison",
    summary="Match one image's masks with those of another run",
    operation_id="comparison_read_image",
    responses=problems(
        IdAmbiguous, ImageNotSegmented, ImageResultNotFound, ObjectNotFound, PartFileDamaged, RunNotFound,
        RunsNotComparable, StorageUnavailable,
    ),
)  # fmt: skip
@long_running
def compare_image(
    run_id: RunId, image_id: ImageId, other: OtherRun, tenant_id: TenantId, engine: EngineValue, store: StoreValue
) -> ImageComparison:
    """Match the masks of run A, the one in the path, with those of run B. The runs need not have ended."""
    other_id = whole_run_id(engine, tenant_id, other)
    with read_only(engine) as session:
        run_a, run_b = (require_run(session, tenant_id, one) for one in (run_id, other_id))
        require_comparable(session, run_a, run_b)
        results = [require_image(session, tenant_id, run.id, image_id)[0] for run in (run_a, run_b)]
    for result in results:
        require_segmented(result)
    masks_a, masks_b = (read_masks(store, result) for result in results)
    return ImageComparison.of(image_id, run_a.id, run_b.id, match_masks(masks_a, masks_b))
