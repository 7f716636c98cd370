"""Previews: small JPEGs of images with their masks, for galleries that show hundreds."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from samfleet.db.session import read_only
from samfleet_api.dependencies import EngineValue, RemoteValue, SettingsValue, StoreValue, TenantId
from samfleet_api.long_requests import long_running
from samfleet_api.problems import problems
from samfleet_api.ranges import matches
from samfleet_api.runs.endpoints import ImageId, NoneMatch
from samfleet_api.runs.pictures import PICTURE_ERRORS, PictureBudget, cache_headers, picture_of
from samfleet_api.runs.views import require_image, require_segmented
from samfleet_api.short_ids import RunId

router = APIRouter(prefix="/v1/runs", tags=["runs"])

Side = Annotated[Literal["320", "640"], Query(description="Maximum width and height of the preview in pixels.")]


@router.get(
    "/{run_id}/images/{image_id}/preview.jpg",
    summary="Preview one image's masks",
    operation_id="run_read_preview",
    response_class=Response,
    responses={
        200: {"description": "The upright image with its masks, as a small JPEG.", "content": {"image/jpeg": {}}},
        304: {"description": "The picture matches `If-None-Match`."},
        **problems(*PICTURE_ERRORS),
    },
)
@long_running
def read_preview(
    run_id: RunId,
    image_id: ImageId,
    tenant_id: TenantId,
    engine: EngineValue,
    store: StoreValue,
    settings: SettingsValue,
    budget: PictureBudget,
    remote: RemoteValue,
    max_side: Side = "320",
    none_match: NoneMatch = None,
) -> Response:
    """Return a preview, which is stored with the run. Browsers keep it for an hour."""
    side = int(max_side)
    with read_only(engine) as session:
        result, image = require_image(session, tenant_id, run_id, image_id)
    require_segmented(result)
    headers = cache_headers(result, side, with_masks=True, jpeg=True)
    if matches(none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    picture = picture_of(engine, store, settings, budget, result, image, remote, max_side=side, jpeg=True)
    return Response(picture, media_type="image/jpeg", headers=headers)
