"""Previews: small JPEGs of images with their masks, for galleries that show hundreds."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from samfleet.db.session import read_only
from samfleet_api.dependencies import TenantId
from samfleet_api.long_requests import long_running
from samfleet_api.problems import problems
from samfleet_api.runs.endpoints import ImageId, NoneMatch
from samfleet_api.runs.pictures import PICTURE_ERRORS, PicturesValue, overlay_response
from samfleet_api.runs.views import require_image
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
    pictures: PicturesValue,
    max_side: Side = "320",
    none_match: NoneMatch = None,
) -> Response:
    """Return a preview, which is stored with the run. Browsers keep it for an hour."""
    with read_only(pictures.engine) as session:
        found = require_image(session, tenant_id, run_id, image_id)
    return overlay_response(pictures, found, none_match, max_side=int(max_side), jpeg=True)
